/* SPDX-License-Identifier: BSD-3-Clause */
/* A target that finds, before there is a session, that there can be none. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/engine/fake_source.h"

/* Where its helpers' bus should be: somebody who only listens. */
static int listen_as_bus(const char *folder)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/bus",
		       folder);
	assert_int_equal(bind(fd, (const void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void begin(struct fake_source *s)
{
	const struct small_vm_options is = {
		.bytes = { FAKE_SOURCE_PAGES * RAMJET_PAGE_BYTES },
	};
	struct ramjet_helper_options options = { RAMJET_HELPER_OPTIONS_INIT };
	char address[128];

	move_init(&s->move, &is);
	wire_peer_init(&s->peer);
	small_vm_power_off(&s->move.source);
	(void)snprintf(address, sizeof(address), "unix:path=%s/bus",
		       s->move.folder);
	options.bus_address = address;
	options.start_timeout_ms = 60000;
	assert_int_equal(
		ramjet_guest_set_helpers(s->move.target.guest, &options, NULL),
		0);
}

static void those_at_the_door_hear_why_there_is_no_session(void **state)
{
	const struct rj_hello hello = {
		.version_min = RJ_WIRE_VERSION,
		.version_max = RJ_WIRE_VERSION,
		.role = RJ_ROLE_CONTROL,
		.channel_count = 1,
		.session = FAKE_SOURCE_SESSION,
	};
	struct fake_source *s = *state;
	struct ramjet_error said;
	char path[128];
	int bus, call;

	begin(s);
	bus = listen_as_bus(s->move.folder);
	move_listen(&s->move);
	/* The target has called its helpers' bus, and waits for an answer. */
	call = accept(bus, NULL, NULL);
	assert_true(call >= 0);
	s->peer.control = wire_peer_connect(s->move.folder);
	assert_true(wire_peer_send_hello(s->peer.control, &hello));
	wire_peer_close(&call);
	fake_source_await_target(s);
	assert_true(s->move.target_rc < 0);
	wire_peer_hear_end(s->peer.control, &said);
	assert_int_equal(said.code, s->move.target_err.code);
	assert_string_equal(said.message, s->move.target_err.message);
	(void)close(bus);
	(void)snprintf(path, sizeof(path), "%s/bus", s->move.folder);
	(void)unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_SOURCE_TEST(
			those_at_the_door_hear_why_there_is_no_session),
	};

	return cmocka_run_group_tests_name("turned away", tests, NULL, NULL);
}
