/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/qmp/listen.h"
#include "cli/qmp/message.h"
#include "cli/qmp/server.h"
#include "util/cleanup.h"
#include "util/mutex.h"

/* A real server, on a real socket; every wait is for bytes. */

#define EVENT_BYTES  20000
#define NOTERS       4
#define NOTES_EACH   200
#define DEADLINE_MS  30000
#define LINE_BYTES   65536
#define NOTE_CHATTER 99 /* answered with an event of EVENT_BYTES */

struct world {
	struct rj_qmp_server *server;
	char folder[64];
	char path[96];
	char line[LINE_BYTES];
	int last_of[NOTERS]; /* highest note of each noter */
	unsigned disorder;
	char fd_text[16]; /* what was read from a passed descriptor */
};

static int ping(struct rj_qmp_call *call, struct ramjet_error *err)
{
	(void)call;
	(void)err;
	return 0;
}

static int read_fd(struct rj_qmp_call *call, struct ramjet_error *err)
{
	struct world *w = call->user;
	rj_autoclose int fd = rj_steal_fd(call->fd);

	(void)err;
	if (fd >= 0 && read(fd, w->fd_text, sizeof(w->fd_text) - 1) < 0)
		return -errno;
	return 0;
}

static const struct rj_qmp_command rows[] = {
	{ "ping", ping, NULL, false },
	{ "read-fd", read_fd, NULL, false },
	{ 0 },
};

static void take_note(void *user, const struct rj_qmp_note *note)
{
	struct world *w = user;
	char filler[EVENT_BYTES];

	if (note->kind < NOTERS) {
		w->disorder += note->value <= w->last_of[note->kind];
		w->last_of[note->kind] = note->value;
	}
	memset(filler, 'x', sizeof(filler) - 1);
	filler[note->kind == NOTE_CHATTER ? EVENT_BYTES - 1 : 0] = '\0';
	rj_qmp_server_say(w->server,
			  rj_qmp_event("NOTE",
				       json_pack("{s:i, s:s}", "value",
						 note->value, "filler", filler),
				       note->at_us));
}

static int tick(void *user)
{
	(void)user;
	return -1;
}

static int start(struct world *w, struct ramjet_error *err)
{
	const struct rj_qmp_server_setup setup = {
		.path = w->path,
		.commands = { .rows = rows, .user = w },
		.note = take_note,
		.tick = tick,
		.user = w,
	};

	return rj_qmp_server_start(&setup, &w->server, err);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)snprintf(w->folder, sizeof(w->folder), "/tmp/rj-qmp-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	(void)snprintf(w->path, sizeof(w->path), "%s/socket", w->folder);
	assert_int_equal(start(w, NULL), 0);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	rj_qmp_server_stop(w->server);
	(void)unlink(w->path);
	assert_int_equal(rmdir(w->folder), 0);
	free(w);
	return 0;
}

/* ---- a client ---- */

static int await(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	return poll(&ready, 1, DEADLINE_MS) == 1;
}

/* The next line into w->line, without its end; false at the end of all. */
static bool hear(struct world *w, int fd)
{
	size_t used = 0;

	for (;;) {
		ssize_t got;

		assert_true(used + 1 < sizeof(w->line));
		assert_true(await(fd));
		got = recv(fd, w->line + used, 1, 0);
		if (got <= 0)
			return false;
		if (w->line[used++] == '\n')
			break;
	}
	assert_true(used >= 2 && w->line[used - 2] == '\r');
	w->line[used - 2] = '\0';
	return true;
}

static void assert_hears(struct world *w, int fd, const char *needle)
{
	assert_true(hear(w, fd));
	if (!strstr(w->line, needle))
		fail_msg("'%s', wanted '%s'", w->line, needle);
}

static void tell(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
			 strlen(text));
}

static int join(struct world *w)
{
	int fd = rj_qmp_connect(w->path, NULL);

	assert_true(fd >= 0);
	assert_hears(w, fd, "{\"QMP\": ");
	return fd;
}

static int join_negotiated(struct world *w)
{
	int fd = join(w);

	tell(fd, "{\"execute\":\"qmp_capabilities\"}");
	assert_hears(w, fd, "{\"return\": {}}");
	return fd;
}

/* ---- tests ---- */

static void commands_may_come_in_any_pieces(void **state)
{
	static const char text[] = "{\"execute\": \"ping\", \"id\": \"}\"}";
	struct world *w = *state;
	int fd = join_negotiated(w);

	for (size_t cut = 1; cut + 1 < sizeof(text); cut++) {
		assert_int_equal(send(fd, text, cut, 0), cut);
		/* Another client's turn: the piece is there before the rest. */
		close(join_negotiated(w));
		tell(fd, text + cut);
		assert_hears(w, fd, "{\"return\": {}, \"id\": \"}\"}");
	}
	(void)close(fd);
}

static void pipelined_commands_are_answered_in_order(void **state)
{
	struct world *w = *state;
	int fd = join_negotiated(w);
	char text[64];

	for (int i = 0; i < 200; i++) {
		(void)snprintf(text, sizeof(text),
			       "{\"execute\": \"ping\", \"id\": %d}", i);
		tell(fd, text);
	}
	for (int i = 0; i < 200; i++) {
		(void)snprintf(text, sizeof(text),
			       "{\"return\": {}, \"id\": %d}", i);
		assert_hears(w, fd, text);
	}
	(void)close(fd);
}

static void events_go_to_those_who_negotiated(void **state)
{
	struct world *w = *state;
	int strange = join(w), one = join_negotiated(w);
	int two = join_negotiated(w);

	rj_qmp_server_note(w->server, 0, 1);
	assert_hears(w, one, "\"event\": \"NOTE\"");
	assert_hears(w, two, "\"event\": \"NOTE\"");
	/* Had it got the event, that would come first. */
	tell(strange, "{\"execute\":\"ping\"}");
	assert_hears(w, strange, "CommandNotFound");
	(void)close(strange);
	(void)close(one);
	(void)close(two);
}

static void a_reader_that_never_reads_is_cut_off(void **state)
{
	struct world *w = *state;
	int lazy = join_negotiated(w), keen = join_negotiated(w);
	unsigned said = 0;

	while (rj_qmp_server_clients(w->server) == 2) {
		rj_qmp_server_note(w->server, NOTE_CHATTER, (int)said++);
		assert_hears(w, keen, "\"event\": \"NOTE\"");
		assert_true(said < 1000);
	}
	/* What it left unread is bounded by our limit and the kernel's. */
	assert_true((uint64_t)said * EVENT_BYTES > RJ_QMP_OUTBOX_BYTES_MAX);
	tell(keen, "{\"execute\":\"ping\"}");
	assert_hears(w, keen, "{\"return\": {}}");
	(void)close(lazy);
	(void)close(keen);
}

static void a_command_too_long_is_an_error_and_the_end(void **state)
{
	struct world *w = *state;
	int fd = join_negotiated(w), other = join_negotiated(w);
	char *text = malloc(RJ_QMP_VALUE_BYTES_MAX + 1);

	memset(text, ' ', RJ_QMP_VALUE_BYTES_MAX);
	text[0] = '{';
	text[RJ_QMP_VALUE_BYTES_MAX] = '}';
	assert_int_equal(send(fd, text, RJ_QMP_VALUE_BYTES_MAX + 1, 0),
			 RJ_QMP_VALUE_BYTES_MAX + 1);
	assert_hears(w, fd, "a command has more than 64 KiB");
	assert_false(hear(w, fd));
	tell(other, "{\"execute\":\"ping\"}");
	assert_hears(w, other, "{\"return\": {}}");
	free(text);
	(void)close(fd);
	(void)close(other);
}

static void broken_bytes_do_not_harm_what_follows(void **state)
{
	struct world *w = *state;
	int fd = join_negotiated(w);

	tell(fd, "{\"execute\": \"pi\x01");
	assert_hears(w, fd, "JSON parse error");
	tell(fd, "\n{\"execute\": \"ping\"}");
	assert_hears(w, fd, "{\"return\": {}}");
	(void)close(fd);
}

static void who_only_listens_on_still_gets_its_replies(void **state)
{
	struct world *w = *state;
	int fd = join(w);

	tell(fd, "{\"execute\":\"qmp_capabilities\"}{\"execute\":\"ping\"}");
	(void)shutdown(fd, SHUT_WR);
	assert_hears(w, fd, "{\"return\": {}}");
	assert_hears(w, fd, "{\"return\": {}}");
	assert_false(hear(w, fd));
	(void)close(fd);
}

static void more_clients_than_the_limit_are_told_so(void **state)
{
	struct world *w = *state;
	int fds[RJ_QMP_CLIENTS_MAX], more;

	for (unsigned i = 0; i < RJ_QMP_CLIENTS_MAX; i++)
		fds[i] = join_negotiated(w);
	more = rj_qmp_connect(w->path, NULL);
	assert_true(more >= 0);
	assert_hears(w, more, "too many clients");
	assert_false(hear(w, more));
	for (unsigned i = 0; i < RJ_QMP_CLIENTS_MAX; i++)
		(void)close(fds[i]);
	(void)close(more);
}

static void send_with_fd(int to, const char *text, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (char *)text,
			     .iov_len = strlen(text) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);

	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(part), &fd, sizeof(fd));
	assert_int_equal(sendmsg(to, &message, 0), strlen(text));
}

static void descriptors_come_along(void **state)
{
	struct world *w = *state;
	int fd = join_negotiated(w), pipe_ends[2];

	assert_int_equal(pipe(pipe_ends), 0);
	assert_int_equal(write(pipe_ends[1], "hello", 5), 5);
	/* One that no command asks for is closed with its client. */
	send_with_fd(fd, "{\"execute\":\"ping\"}", pipe_ends[1]);
	assert_hears(w, fd, "{\"return\": {}}");
	send_with_fd(fd, "{\"execute\":\"read-fd\"}", pipe_ends[0]);
	assert_hears(w, fd, "{\"return\": {}}");
	assert_string_equal(w->fd_text, "hello");
	(void)close(pipe_ends[0]);
	(void)close(pipe_ends[1]);
	(void)close(fd);
}

struct noter {
	struct world *world;
	int kind;
};

static void *note_much(void *user)
{
	const struct noter *noter = user;

	for (int i = 1; i <= NOTES_EACH; i++)
		rj_qmp_server_note(noter->world->server, noter->kind, i);
	return NULL;
}

static void notes_of_each_thread_stay_in_order(void **state)
{
	struct world *w = *state;
	struct noter noters[NOTERS];
	pthread_t threads[NOTERS];
	int fd = join_negotiated(w);

	for (int i = 0; i < NOTERS; i++) {
		noters[i] = (struct noter){ .world = w, .kind = i };
		assert_int_equal(pthread_create(&threads[i], NULL, note_much,
						&noters[i]),
				 0);
	}
	for (int i = 0; i < NOTERS; i++)
		(void)pthread_join(threads[i], NULL);
	rj_qmp_server_stop(w->server);
	w->server = NULL;
	/* The ring may forget the oldest, but not the newest. */
	for (int i = 0; i < NOTERS; i++)
		assert_int_equal(w->last_of[i], NOTES_EACH);
	assert_int_equal(w->disorder, 0);
	(void)close(fd);
}

static void stopping_says_all_there_was_to_say(void **state)
{
	struct world *w = *state;
	int fd = join_negotiated(w);

	for (int i = 1; i <= 50; i++)
		rj_qmp_server_note(w->server, 0, i);
	rj_qmp_server_stop(w->server);
	w->server = NULL;
	for (int i = 1; i <= 50; i++)
		assert_hears(w, fd, "\"event\": \"NOTE\"");
	assert_false(hear(w, fd));
	assert_int_equal(w->disorder, 0);
	assert_int_equal(access(w->path, F_OK), -1);
	(void)close(fd);
}

static void the_socket_is_this_users_alone(void **state)
{
	struct world *w = *state;
	struct stat status;

	assert_int_equal(stat(w->path, &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void a_path_in_use_is_refused(void **state)
{
	struct world *w = *state;
	struct rj_qmp_server *first = w->server;
	struct ramjet_error error = { 0 };

	assert_int_equal(start(w, &error), -EADDRINUSE);
	assert_non_null(strstr(error.message, "somebody listens there"));
	w->server = first;
	(void)close(join_negotiated(w));
}

static void a_stale_socket_is_replaced(void **state)
{
	struct world *w = *state;
	struct rj_socket_file stale;
	int fd;

	rj_qmp_server_stop(w->server);
	/* A listener that dies leaves its file. */
	fd = rj_qmp_listen(w->path, &stale, NULL);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(start(w, NULL), 0);
	(void)close(join_negotiated(w));
}

static void another_file_is_left_alone(void **state)
{
	struct world *w = *state;
	struct ramjet_error error = { 0 };
	FILE *file;

	rj_qmp_server_stop(w->server);
	file = fopen(w->path, "w");
	assert_non_null(file);
	(void)fclose(file);
	assert_int_equal(start(w, &error), -EEXIST);
	assert_int_equal(access(w->path, F_OK), 0);
	w->server = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands_may_come_in_any_pieces),
		TEST(pipelined_commands_are_answered_in_order),
		TEST(events_go_to_those_who_negotiated),
		TEST(a_reader_that_never_reads_is_cut_off),
		TEST(a_command_too_long_is_an_error_and_the_end),
		TEST(broken_bytes_do_not_harm_what_follows),
		TEST(who_only_listens_on_still_gets_its_replies),
		TEST(more_clients_than_the_limit_are_told_so),
		TEST(descriptors_come_along),
		TEST(notes_of_each_thread_stay_in_order),
		TEST(stopping_says_all_there_was_to_say),
		TEST(the_socket_is_this_users_alone),
		TEST(a_path_in_use_is_refused),
		TEST(a_stale_socket_is_replaced),
		TEST(another_file_is_left_alone),
	};

	return cmocka_run_group_tests_name("qmp_server", tests, NULL, NULL);
}
