/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A target's lobby, and visitors that say what the input does: a script (script.h), over
 * up to four connections at a time, in pieces and with ends at any place. Each visitor
 * that was heard is a good HELLO or has a reason; the lobby is never fuller than it may
 * be, and a source that comes last is served.
 *
 * SCRIPT_AWAIT(): 1: the lobby looks now; 2: only half of the frame comes, and it looks
 * before the rest does; 3: the connection is closed hard, and another is made.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/link/lobby.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/script.h"
#include "util/clock.h"
#include "util/utf8.h"

#define CONNS 4u
/* For machines that are busy: he is heard at once. */
#define LAST_NS (30 * UINT64_C(1000000000))

const struct script_shape script_shape = { .head_bytes = 0, .lead_bytes = 1 };

struct door {
	struct rj_lobby lobby;
	struct rj_listener listener;
	struct sockaddr_un address;
	socklen_t address_bytes;
	int conns[CONNS]; /* -1: none */
	bool served;      /* the last one, by its session */
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* A name that the kernel chooses: nothing is left in any folder. */
static void open_door(struct door *door)
{
	const struct sockaddr_un any = { .sun_family = AF_UNIX };
	const int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memset(door, 0, sizeof(*door));
	must(!bind(fd, (const void *)&any, sizeof(any.sun_family)));
	must(!listen(fd, 128));
	door->address_bytes = sizeof(door->address);
	must(!getsockname(fd, (void *)&door->address, &door->address_bytes));
	door->listener = (struct rj_listener){ .fd = fd,
					       .kind = RJ_CONN_UNIX,
					       .socket_count = 1,
					       .sockets = { fd },
					       .bound_uri = "unix:fuzz" };
	must(!rj_lobby_init(&door->lobby, &door->listener, NULL));
	for (unsigned i = 0; i < CONNS; i++)
		door->conns[i] = -1;
}

static void close_door(struct door *door)
{
	for (unsigned i = 0; i < CONNS; i++)
		if (door->conns[i] >= 0)
			(void)close(door->conns[i]);
	rj_lobby_done(&door->lobby);
	(void)close(door->listener.fd);
}

static int knock(const struct door *door)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0);
	must(!connect(fd, (const void *)&door->address, door->address_bytes));
	return fd;
}

static void judge(struct door *door, struct rj_visitor *visitor)
{
	const struct ramjet_error *why = &visitor->why;
	const struct rj_hello *hello = &visitor->hello;

	if (why->code)
		must(why->code < 0 && *why->message &&
		     rj_utf8_is_printable(why->message, strlen(why->message)));
	else
		must(hello->role <= RJ_ROLE_ONE_WAY && hello->channel_count &&
		     hello->channel_count <= RAMJET_CHANNELS_MAX);
	if (!why->code && hello->channel_index == 200 &&
	    !memcmp(hello->session, "the very last of", RJ_SESSION_BYTES))
		door->served = true;
	(void)rj_conn_close(&visitor->conn, 0, NULL);
}

/* All that have something to say now. */
static void look(struct door *door, uint64_t until_ns)
{
	struct rj_visitor visitor;

	while (!door->served &&
	       !rj_lobby_next(&door->lobby, until_ns, -1, &visitor, NULL)) {
		must(door->lobby.count <= RJ_LOBBY_SEATS);
		judge(door, &visitor);
	}
}

static void look_now(struct door *door)
{
	/* One deadline is over before anything is heard. */
	look(door, rj_now_ns() + 20000);
}

static void say(int fd, const uint8_t *wire, size_t bytes)
{
	(void)!send(fd, wire, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void play(struct door *door, const struct script_step *step)
{
	int *fd = &door->conns[SCRIPT_WHERE(step->lead)];
	const unsigned how = SCRIPT_AWAIT(step->lead);
	const size_t first = how == 2 ? step->bytes / 2 : step->bytes;

	if (*fd < 0)
		*fd = knock(door);
	say(*fd, step->wire, first);
	if (how == 1 || how == 2)
		look_now(door);
	say(*fd, step->wire + first, step->bytes - first);
	if (step->lead & SCRIPT_CLOSE)
		(void)shutdown(*fd, SHUT_WR);
	if (how == 3) {
		(void)close(*fd);
		*fd = knock(door);
	}
}

/* However it was before, this one is heard. */
static void serve_the_last(struct door *door)
{
	const struct rj_hello hello = {
		.version_min = RJ_WIRE_VERSION,
		.version_max = RJ_WIRE_VERSION,
		.role = RJ_ROLE_DATA,
		.channel_index = 200,
		.channel_count = 256,
		.session = { 't', 'h', 'e', ' ', 'v', 'e', 'r', 'y', ' ', 'l',
			     'a', 's', 't', ' ', 'o', 'f' },
	};
	const struct rj_conn conn = rj_conn_bare(knock(door), RJ_CONN_UNIX);

	must(!rj_hello_send(&conn, &hello, 0, -1, NULL));
	look(door, rj_now_ns() + LAST_NS);
	must(door->served);
	(void)close(conn.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct script_step step;
	struct script script = { malloc(bytes ? bytes : 1), bytes, 0 };
	struct door door;

	must(script.data != NULL);
	if (bytes)
		memcpy(script.data, data, bytes);
	open_door(&door);
	for (unsigned i = 0;
	     i < SCRIPT_STEPS_MAX && script_next(&script, &step); i++)
		play(&door, &step);
	serve_the_last(&door);
	close_door(&door);
	free(script.data);
	return 0;
}
