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

struct told {
	struct scripted script;
	struct rj_qemu_guest g;
	int socket; /* QEMU's end of the loader's */
};

static void begin(struct told *t)
{
	int ends[2];

	scripted_start(&t->script);
	rj_mutex_init(&t->g.lock);
	t->g.role = RJ_CLI_TARGET;
	t->g.pid = getpid();
	t->g.saver = RJ_QEMU_SAVER_NONE;
	t->g.process.pidfd = pidfd_open(getpid(), 0);
	assert_int_equal(rj_qemu_open(t->script.path, &t->g.qemu, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	t->g.loader = RJ_QEMU_LOADER_NONE;
	t->g.loader.fd = ends[0];
	t->socket = ends[1];
}

static void end(struct told *t)
{
	rj_qemu_loader_done(&t->g.qemu, &t->g.loader);
	(void)close(t->socket);
	(void)close(t->g.process.pidfd);
	rj_qemu_close(&t->g.qemu);
	scripted_end(&t->script);
	scripted_free(&t->script);
	rj_mutex_done(&t->g.lock);
}

static void load(struct told *t, const struct rj_qemu_state *device)
{
	assert_int_equal(rj_qemu_target_load(&t->g.base, device->bytes,
					     device->count, NULL),
			 0);
}

static void expect_named(struct told *t)
{
	char text[512] = "";

	assert_int_equal(rj_cli_guest_qemu.outcome(&t->g.base,
						   RAMJET_STATE_FAILED, false,
						   text, sizeof(text), NULL),
			 0);
	assert_non_null(strstr(text, "its guest must not run"));
}

/* The source goes on: a loaded guest lies there that must not. */
static void a_loaded_guest_of_a_failed_move_is_named(void **state)
{
	struct told t = { .script = { .answers = loads } };
	struct rj_qemu_state device;

	(void)state;
	begin(&t);
	device = a_state(&t.g.qemu);
	load(&t, &device);
	expect_named(&t);
	rj_qemu_state_done(&device);
	end(&t);
}

/* And one that waits for the first device, which none can be moved to later. */
static void one_that_expects_a_state_is_named(void **state)
{
	struct told t = { .script = { .answers = loads } };

	(void)state;
	begin(&t);
	rj_qemu_target_expect(&t.g);
	expect_named(&t);
	end(&t);
}

/* What comes before the devices is given early, and once. */
static void all_of_a_state_is_given_once(void **state)
{
	struct told t = { .script = { .answers = loads } };
	struct rj_qemu_state device;
	unsigned char given[256];
	ssize_t front, rest;

	(void)state;
	begin(&t);
	device = a_state(&t.g.qemu);
	rj_qemu_target_expect(&t.g);
	front = recv(t.socket, given, sizeof(given), MSG_DONTWAIT);
	assert_int_equal(front, rj_qemu_state_front(t.g.qemu.machine, NULL));
	load(&t, &device);
	rest = recv(t.socket, given + front, sizeof(given) - (size_t)front,
		    MSG_DONTWAIT);
	assert_int_equal(front + rest, device.count);
	assert_memory_equal(given, device.bytes, device.count);
	rj_qemu_state_done(&device);
	end(&t);
}

/* It says so in the same breath as it says that it isn't through: no event will
 * wake us later. */
static void an_event_beside_an_answer_is_heard(void **state)
{
	struct told t = {
		.script = { .answers = loads,
			    .before = "{\"event\": \"MIGRATION\"}\n" },
	};

	(void)state;
	begin(&t);
	rj_qmp_caller_forget_events(&t.g.qemu.monitor);
	assert_false(rj_qmp_caller_has_more(&t.g.qemu.monitor));
	assert_int_equal(
		rj_qemu_call(&t.g.qemu, "query-migrate", NULL, NULL, NULL), 0);
	assert_true(rj_qmp_caller_has_more(&t.g.qemu.monitor));
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loaded_guest_of_a_failed_move_is_named),
		cmocka_unit_test(one_that_expects_a_state_is_named),
		cmocka_unit_test(all_of_a_state_is_given_once),
		cmocka_unit_test(an_event_beside_an_answer_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
