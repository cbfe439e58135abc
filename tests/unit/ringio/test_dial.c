/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "ringio/dial.h"
#include "tests/unit/ringio/calls.h"

/* Addresses as a look-up returns them. */
struct list {
	struct addrinfo infos[8];
	struct sockaddr_in addresses[8];
	unsigned count;
};

static void add(struct list *list, const char *host, unsigned port)
{
	struct addrinfo *info = &list->infos[list->count];
	struct sockaddr_in *address = &list->addresses[list->count];

	*address = (struct sockaddr_in){ .sin_family = AF_INET,
					 .sin_port = htons((uint16_t)port) };
	assert_int_equal(inet_pton(AF_INET, host, &address->sin_addr), 1);
	*info = (struct addrinfo){
		.ai_family = AF_INET,
		.ai_socktype = SOCK_STREAM,
		.ai_addr = (struct sockaddr *)address,
		.ai_addrlen = sizeof(*address),
	};
	if (list->count++)
		info[-1].ai_next = info;
}

static int listen_on(const char *host, unsigned *port, int backlog)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)*port) };
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(inet_pton(AF_INET, host, &address.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, bytes), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes),
			 0);
	*port = ntohs(address.sin_port);
	return fd;
}

/* A listener that is full: whoever comes now hears nothing at all. */
struct deaf {
	int fd;
	int crowd[4];
};

static void deafen(struct deaf *deaf, const char *host, unsigned *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	deaf->fd = listen_on(host, port, 0);
	address.sin_port = htons((uint16_t)*port);
	assert_int_equal(inet_pton(AF_INET, host, &address.sin_addr), 1);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(deaf->crowd); i++) {
		deaf->crowd[i] = socket(
			AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(deaf->crowd[i], (struct sockaddr *)&address,
			      sizeof(address));
	}
}

static void undeafen(struct deaf *deaf)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(deaf->crowd); i++)
		(void)close(deaf->crowd[i]);
	(void)close(deaf->fd);
}

static void assert_peer(const struct rj_conn *conn, const char *wanted)
{
	char text[256];

	rj_conn_describe(conn, text, sizeof(text));
	if (!strstr(text, wanted))
		fail_msg("'%s', wanted '%s'", text, wanted);
}

/* Without a deadline: were they tried one after the other, it would take the
 * kernel's two minutes to give the first up. */
static void one_that_says_nothing_delays_nobody(void **state)
{
	struct rj_conn conn = RJ_CONN_NONE;
	char reasons[RJ_DIAL_REASONS];
	struct list list = { 0 };
	struct deaf deaf;
	unsigned port = 0;
	int good;

	(void)state;
	deafen(&deaf, "127.0.0.3", &port);
	good = listen_on("127.0.0.4", &port, 4);
	add(&list, "127.0.0.3", port);
	add(&list, "127.0.0.4", port);
	assert_int_equal(rj_dial(list.infos, 0, -1, &conn, reasons), 0);
	assert_peer(&conn, "-> 127.0.0.4:");
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	(void)close(good);
	undeafen(&deaf);
}

static void every_refusal_is_named(void **state)
{
	struct rj_conn conn = RJ_CONN_NONE;
	char reasons[RJ_DIAL_REASONS];
	struct list list = { 0 };
	unsigned port = 0;

	(void)state;
	(void)close(listen_on("127.0.0.5", &port, 0));
	add(&list, "127.0.0.5", port);
	add(&list, "127.0.0.6", port);
	assert_int_equal(rj_dial(list.infos, 0, -1, &conn, reasons),
			 -ECONNREFUSED);
	assert_int_equal(conn.fd, -1);
	assert_non_null(strstr(reasons, "127.0.0.5:"));
	assert_non_null(strstr(reasons, "; 127.0.0.6:"));
	assert_non_null(strstr(reasons, "Connection refused"));
}

static void waits_end_on_a_wake_and_at_the_deadline(void **state)
{
	struct rj_conn conn = RJ_CONN_NONE;
	char reasons[RJ_DIAL_REASONS];
	struct list list = { 0 };
	int awake = event_new(1);
	struct deaf deaf;
	unsigned port = 0;

	(void)state;
	deafen(&deaf, "127.0.0.3", &port);
	for (int i = 0; i < 4; i++)
		add(&list, "127.0.0.3", port);
	assert_int_equal(rj_dial(list.infos, 0, awake, &conn, reasons),
			 -ECANCELED);
	assert_int_equal(rj_dial(list.infos, 1, -1, &conn, reasons),
			 -ETIMEDOUT);
	assert_non_null(strstr(reasons, "127.0.0.3"));
	assert_int_equal(conn.fd, -1);
	assert_int_equal(rj_dial(NULL, 0, -1, &conn, reasons), -EADDRNOTAVAIL);
	(void)close(awake);
	undeafen(&deaf);
}

static void one_more_connection_goes_where_the_first_went(void **state)
{
	struct rj_uri bound = uri_of("tcp:127.0.0.7:0");
	struct rj_listener listener = listener_of(&bound);
	struct rj_conn first, second;
	struct rj_uri name;

	(void)state;
	bound = uri_of("%s", listener.bound_uri);
	first = connected_to(&bound);
	/* By now the name means somebody else. */
	name = uri_of("tcp:127.0.0.8:%u", bound.port);
	assert_int_equal(rj_connect_beside(&first, &name, 0, -1, &second, NULL),
			 0);
	assert_peer(&second, "-> 127.0.0.7:");
	assert_int_equal(rj_conn_close(&first, 0, NULL), 0);
	assert_int_equal(rj_conn_close(&second, 0, NULL), 0);
	rj_listener_close(&listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_says_nothing_delays_nobody),
		cmocka_unit_test(every_refusal_is_named),
		cmocka_unit_test(waits_end_on_a_wake_and_at_the_deadline),
		cmocka_unit_test(one_more_connection_goes_where_the_first_went),
	};

	return cmocka_run_group_tests_name("dial", tests, NULL, NULL);
}
