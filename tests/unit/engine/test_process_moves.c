/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of one process, which writes it, moves into that of another. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/engine/child_vm.h"

#define BYTES   ((uint64_t)24 << 20)
#define WAIT_MS 60000

struct scene {
	struct child_vm source, target;
	char uri[64];
	int source_rc, target_rc;
	struct ramjet_error source_err, target_err;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	*state = s;
	if (!s)
		return -1;
	(void)snprintf(s->uri, sizeof(s->uri), "unix:/tmp/ramjet-test-%d",
		       getpid());
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	child_vm_done(&s->source);
	child_vm_done(&s->target);
	(void)unlink(s->uri + strlen("unix:"));
	free(s);
	return 0;
}

static void move(struct scene *s, unsigned channels)
{
	struct ramjet_params to = { RAMJET_PARAMS_INIT };
	struct ramjet_params from = { RAMJET_PARAMS_INIT };
	struct ramjet_migration *in = NULL, *out = NULL;
	struct ramjet_error err = { 0 };

	from.channels = channels;
	from.verify = true;
	from.downtime_limit_us = 20000000;
	from.switchover_bandwidth_bytes_per_s = 1u << 30;
	if (ramjet_incoming(s->target.guest, s->uri, &to, &in, &err) ||
	    ramjet_migrate(s->source.guest, s->uri, &from, &out, &err))
		fail_msg("%s", err.message);
	s->source_rc = ramjet_wait(out, WAIT_MS, &s->source_err);
	s->target_rc = ramjet_wait(in, WAIT_MS, &s->target_err);
	ramjet_migration_free(out);
	ramjet_migration_free(in);
}

static void expect_same(const struct scene *s)
{
	uint8_t *from = child_vm_content(&s->source);
	uint8_t *to = child_vm_content(&s->target);

	for (uint64_t at = 0; at < BYTES; at += RAMJET_PAGE_BYTES)
		if (memcmp(from + at, to + at, RAMJET_PAGE_BYTES))
			fail_msg("page %llu differs",
				 (unsigned long long)at / RAMJET_PAGE_BYTES);
	free(from);
	free(to);
}

static void from_process_to_process(void **state)
{
	struct scene *s = *state;

	for (unsigned channels = 1; channels <= 4; channels++) {
		child_vm_init(&s->source, BYTES, channels, false);
		/* Something is there already. */
		child_vm_init(&s->target, BYTES, channels + 100, false);
		child_vm_guest(&s->source, true);
		child_vm_guest(&s->target, false);
		child_vm_do(&s->source, CHILD_WRITES);
		move(s, channels);
		if (s->source_rc || s->target_rc)
			fail_msg("%s; %s", s->source_err.message,
				 s->target_err.message);
		expect_same(s);
		child_vm_done(&s->source);
		child_vm_done(&s->target);
	}
}

static void the_source_dies(void **state)
{
	struct scene *s = *state;

	child_vm_init(&s->source, BYTES, 1, false);
	child_vm_init(&s->target, BYTES, 0, false);
	child_vm_guest(&s->source, false);
	child_vm_guest(&s->target, false);
	child_vm_kill(&s->source);
	move(s, 1);
	assert_int_equal(s->source_rc, -ESRCH);
	assert_non_null(strstr(s->source_err.message, "block ram"));
	assert_true(s->target_rc < 0);
}

/* Its memory is read for the first time after the move began. */
static void the_target_dies(void **state)
{
	struct scene *s = *state;

	child_vm_init(&s->source, BYTES, 1, false);
	child_vm_init(&s->target, BYTES, 0, false);
	child_vm_guest(&s->source, false);
	child_vm_guest(&s->target, false);
	child_vm_kill(&s->target);
	move(s, 2);
	assert_int_equal(s->target_rc, -ESRCH);
	assert_true(s->source_rc < 0);
	print_message("# %s\n", s->source_err.message);
	assert_non_null(strstr(s->source_err.message, "gone"));
}

#define PROCESS_TEST(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROCESS_TEST(from_process_to_process),
		PROCESS_TEST(the_source_dies),
		PROCESS_TEST(the_target_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
