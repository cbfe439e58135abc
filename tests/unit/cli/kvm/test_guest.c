/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cli/kvm/rig.h"

#include <errno.h>

#include "cli/guest_kinds.h"
#include "tests/unit/cli/fake_ramjet.h"

/* Guests of the kvm kind through the seam all guests have, moved by hand: the
 * fake library only remembers where their RAM is. */

static struct rj_cli_guest *make(const char *text, enum rj_cli_role role)
{
	struct ramjet_error err = { 0 };
	struct rj_cli_guest_spec spec;
	struct rj_cli_guest *guest = NULL;

	assert_int_equal(rj_cli_guest_spec_parse(text, &spec, &err), 0);
	if (rj_cli_guest_new(&spec, role, &guest, &err) < 0)
		fail_msg("%s", err.message);
	return guest;
}

static uint8_t *ram_of(struct rj_cli_guest *guest)
{
	struct ramjet_error err = { 0 };

	fake_reset();
	if (guest->kind->attach(guest, NULL, &err) < 0)
		fail_msg("%s", err.message);
	return fake.block.host;
}

static void run_until(struct rj_cli_guest *guest, uint64_t more)
{
	uint64_t goal = guest->kind->writes(guest) + more;

	while (guest->kind->writes(guest) < goal)
		(void)sched_yield();
}

static void stop(struct rj_cli_guest *guest)
{
	struct ramjet_error err = { 0 };

	if (guest->kind->ops->stop(guest, &err) < 0)
		fail_msg("%s", err.message);
}

static struct rj_cli_guest_check check(struct rj_cli_guest *guest)
{
	struct rj_cli_guest_check seen;
	struct ramjet_error err = { 0 };

	if (guest->kind->check(guest, &seen, &err) < 0)
		fail_msg("%s", err.message);
	return seen;
}

static void source_tells_its_slots_and_rings(void **state RJ_UNUSED)
{
	struct rj_cli_guest *guest;

	rig_need_kvm();
	guest = make("kvm:size=4M,set=1M,threads=3", RJ_CLI_SOURCE);
	(void)ram_of(guest);
	assert_int_equal(fake.dirty_sources, 1);
	assert_int_equal(fake.kvm_slots, 2);
	assert_int_equal(fake.kvm_rings, 0);
	rj_cli_guest_free(guest);
	guest = make("kvm:size=4M,set=1M,threads=3,dirty=ring", RJ_CLI_SOURCE);
	(void)ram_of(guest);
	assert_int_equal(fake.kvm_rings, 3);
	assert_false(fake.block.flags & RAMJET_BLOCK_FRESH);
	rj_cli_guest_free(guest);
	guest = make("kvm:size=4M,dirty=ring", RJ_CLI_TARGET);
	(void)ram_of(guest);
	assert_int_equal(fake.dirty_sources, 0);
	assert_true(fake.block.flags & RAMJET_BLOCK_FRESH);
	rj_cli_guest_free(guest);
}

/* All the target is told is the size; the rest lies in RAM and state. */
static void moved_guest_is_what_the_source_was(void **state RJ_UNUSED)
{
	struct rj_cli_guest *source, *target;
	struct rj_cli_guest_check before, after;
	uint8_t *here, *there;
	char text[512];
	size_t bytes;
	void *data;

	rig_need_kvm();
	source = make("kvm:size=4M,set=1M,threads=3,write=max,pattern=hot",
		      RJ_CLI_SOURCE);
	target = make("kvm:size=4M", RJ_CLI_TARGET);
	assert_int_equal(target->kind->ops->start(target, NULL), -EBADMSG);
	here = ram_of(source);
	there = ram_of(target);
	assert_int_equal(source->kind->run(source, NULL), 0);
	run_until(source, 2000);
	assert_true(source->kind->running(source));
	stop(source);
	assert_false(source->kind->running(source));
	before = check(source);
	memcpy(there, here, 4u << 20);
	assert_int_equal(
		source->kind->ops->save_state(source, &data, &bytes, NULL), 0);
	/* A first session breaks, the next one does not. */
	assert_true(target->kind->ops->load_state(target, data, bytes - 1,
						  NULL) < 0);
	assert_int_equal(
		target->kind->ops->load_state(target, data, bytes, NULL), 0);
	free(data);
	assert_int_equal(target->kind->ops->start(target, NULL), 0);
	run_until(target, 2000);
	stop(target);
	after = check(target);
	assert_int_equal(after.first_write, before.writes);
	assert_int_equal(after.writes - after.own_writes, before.writes);
	assert_true(after.own_writes >= 2000);
	assert_true(after.pages > 256);
	assert_int_equal(rj_cli_guest_watch_quiet(source, 1000, NULL), 0);
	assert_int_not_equal(target->kind->digest(target),
			     source->kind->digest(source));
	target->kind->describe(target, text, sizeof(text));
	assert_non_null(strstr(text, "kvm, 3 vCPUs writing as fast as it can "
				     "over 1.0 MiB, hot"));
	rj_cli_guest_free(source);
	rj_cli_guest_free(target);
}

static void source_that_was_stopped_runs_on(void **state RJ_UNUSED)
{
	struct rj_cli_guest *guest;

	rig_need_kvm();
	guest = make("kvm:size=2M,set=512K,write=50M", RJ_CLI_SOURCE);
	assert_int_equal(guest->kind->run(guest, NULL), 0);
	for (unsigned i = 0; i < 10; i++) {
		uint64_t writes;

		run_until(guest, 20);
		stop(guest);
		writes = check(guest).writes;
		assert_int_equal(guest->kind->ops->start(guest, NULL), 0);
		assert_true(guest->kind->writes(guest) >= writes);
	}
	rj_cli_guest_free(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(source_tells_its_slots_and_rings),
		cmocka_unit_test(moved_guest_is_what_the_source_was),
		cmocka_unit_test(source_that_was_stopped_runs_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
