/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said of a target QEMU that has been given a state. */
#include "tests/unit/cmocka_all.h"

#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/outside/guest.h"
#include "cli/outside/target.h"
#include "tests/unit/cli/qemu/scripted_qemu.h"

static const struct answer loads[] = {
	{ "query-migrate", "{\"status\": \"completed\"}" },
	{ "query-status", "{\"status\": \"paused\"}" },
	{ NULL, NULL },
};

/* As xen-save-devices-state writes it: nothing but a header and an end. */
static struct rj_qemu_state a_state(const struct rj_qemu *q)
{
	static const unsigned char saved[] = { 'Q', 'E', 'V', 'M', 0,
					       0,   0,   3,   4,   0 };
	struct rj_qemu_state state = { 0 };

	assert_int_equal(rj_qemu_state_splice(saved, sizeof(saved), q->machine,
					      &state, NULL),
			 0);
	return state;
}

/* The source goes on: a loaded guest lies there that must not. */
static void a_loaded_guest_of_a_failed_move_is_named(void **state)
{
	struct scripted script = { .answers = loads };
	struct rj_qemu_guest g = { .role = RJ_CLI_TARGET, .pid = getpid() };
	struct rj_qemu_state device;
	char text[512] = "";
	int ends[2];

	(void)state;
	scripted_start(&script);
	rj_mutex_init(&g.lock);
	g.saver = RJ_QEMU_SAVER_NONE;
	g.process.pidfd = pidfd_open(getpid(), 0);
	assert_int_equal(rj_qemu_open(script.path, &g.qemu, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	g.loader = RJ_QEMU_LOADER_NONE;
	g.loader.fd = ends[0];
	device = a_state(&g.qemu);
	assert_int_equal(
		rj_qemu_target_load(&g.base, device.bytes, device.count, NULL),
		0);
	assert_int_equal(rj_cli_guest_qemu.outcome(&g.base, RAMJET_STATE_FAILED,
						   false, text, sizeof(text),
						   NULL),
			 0);
	assert_non_null(strstr(text, "its guest must not run"));
	rj_qemu_state_done(&device);
	rj_qemu_loader_done(&g.qemu, &g.loader);
	(void)close(ends[1]);
	(void)close(g.process.pidfd);
	rj_qemu_close(&g.qemu);
	scripted_end(&script);
	scripted_free(&script);
	rj_mutex_done(&g.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loaded_guest_of_a_failed_move_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
