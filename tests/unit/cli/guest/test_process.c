/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/guest_kinds.h"
#include "tests/unit/cli/fake_ramjet.h"
#include "util/clock.h"

/* Guests of the process kind, run and moved by hand: the fake library only
 * remembers where their RAM is. */

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

static void *ram_of(struct rj_cli_guest *guest)
{
	fake_reset();
	assert_int_equal(guest->kind->attach(guest, NULL, NULL), 0);
	return fake.block.host;
}

/* However slow the machine: until it has written that often more. */
static void run_until(struct rj_cli_guest *guest, uint64_t more)
{
	uint64_t goal = guest->kind->writes(guest) + more;

	while (guest->kind->writes(guest) < goal)
		(void)sched_yield();
}

static void assert_clean(struct rj_cli_guest *guest,
			 struct rj_cli_guest_check *check)
{
	struct ramjet_error err = { 0 };

	if (guest->kind->check(guest, check, &err) < 0)
		fail_msg("%s", err.message);
}

static void stop(struct rj_cli_guest *guest)
{
	assert_int_equal(guest->kind->ops->stop(guest, NULL), 0);
}

static void start(struct rj_cli_guest *guest)
{
	assert_int_equal(guest->kind->ops->start(guest, NULL), 0);
}

static void stops_and_starts_lose_nothing(const char *text)
{
	struct rj_cli_guest *guest = make(text, RJ_CLI_SOURCE);
	struct rj_cli_guest_check check;

	assert_false(guest->kind->running(guest));
	assert_int_equal(guest->kind->run(guest, NULL), 0);
	for (unsigned i = 0; i < 20; i++) {
		run_until(guest, 50);
		assert_true(guest->kind->running(guest));
		stop(guest);
		assert_false(guest->kind->running(guest));
		assert_clean(guest, &check);
		assert_true(check.own_writes >= 50 * (i + 1));
		start(guest);
	}
	rj_cli_guest_free(guest);
}

static void a_paced_guest_stops_and_starts(void **state)
{
	(void)state;
	stops_and_starts_lose_nothing(
		"process:size=4M,write=100M,set=1M,threads=2,pattern=random");
}

static void an_unpaced_guest_stops_and_starts(void **state)
{
	(void)state;
	stops_and_starts_lose_nothing(
		"process:size=4M,write=max,set=2M,threads=3,pattern=hot");
}

static void a_throttled_guest_still_gets_on(void **state)
{
	struct rj_cli_guest *guest =
		make("process:size=2M,write=max,set=1M", RJ_CLI_SOURCE);
	const struct ramjet_guest_ops *ops = guest->kind->ops;
	struct rj_cli_guest_check check;

	(void)state;
	assert_int_equal(guest->kind->run(guest, NULL), 0);
	assert_int_equal(ops->throttle(guest, 99, NULL), 0);
	run_until(guest, 500);
	assert_int_equal(ops->throttle(guest, 0, NULL), 0);
	run_until(guest, 500);
	stop(guest);
	assert_clean(guest, &check);
	rj_cli_guest_free(guest);
}

static void a_burst_is_written_by_the_first_stops(void **state)
{
	struct rj_cli_guest *guest =
		make("process:size=4M,write=max,set=1M,threads=3,pattern=random"
		     ",burst=512K,bursts=2",
		     RJ_CLI_SOURCE);
	struct rj_cli_guest_check check;
	uint64_t before;

	(void)state;
	/* Not yet running: nothing but the burst is written. */
	for (unsigned i = 0; i < 3; i++) {
		before = guest->kind->writes(guest);
		stop(guest);
		assert_int_equal(guest->kind->writes(guest) - before,
				 i < 2 ? 128 : 0);
		assert_clean(guest, &check);
	}
	start(guest);
	run_until(guest, 500);
	stop(guest);
	assert_clean(guest, &check);
	rj_cli_guest_free(guest);
}

static void a_storm_ends(void **state)
{
	struct rj_cli_guest *guest =
		make("process:size=4M,write=400M,set=1M,threads=2,storm=50ms",
		     RJ_CLI_SOURCE);
	struct rj_cli_guest_check check;
	uint64_t over_ns, writes;

	(void)state;
	assert_int_equal(guest->kind->run(guest, NULL), 0);
	over_ns = rj_now_ns() + 50000000;
	run_until(guest, 1);
	while (rj_now_ns() < over_ns)
		(void)sched_yield();
	stop(guest);
	writes = guest->kind->writes(guest);
	start(guest);
	(void)usleep(20000);
	stop(guest);
	assert_int_equal(guest->kind->writes(guest), writes);
	assert_clean(guest, &check);
	rj_cli_guest_free(guest);
}

/* Never ends if the guest goes quiet. */
static void a_calm_guest_still_writes(void **state)
{
	struct rj_cli_guest *guest =
		make("process:size=4M,write=400M,set=1M,storm=1ms,calm=40M",
		     RJ_CLI_SOURCE);
	struct rj_cli_guest_check check;

	(void)state;
	assert_int_equal(guest->kind->run(guest, NULL), 0);
	run_until(guest, 2000);
	stop(guest);
	assert_clean(guest, &check);
	rj_cli_guest_free(guest);
}

static double seconds_of(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) /
		       1e6;
}

/* Time that the vCPU threads, all but this one, have spent computing. */
static double vcpu_seconds(void)
{
	struct rusage all, own;

	(void)getrusage(RUSAGE_SELF, &all);
	(void)getrusage(RUSAGE_THREAD, &own);
	return seconds_of(&all) - seconds_of(&own);
}

/* Upper bounds only: a busy machine makes them easier to keep. */
static void a_throttled_vcpu_leaves_the_time_it_is_told_to(void **state)
{
	struct rj_cli_guest *guest = make(
		"process:size=2M,write=max,set=1M,threads=1", RJ_CLI_SOURCE);
	double spent;
	uint64_t begun;

	(void)state;
	assert_int_equal(guest->kind->ops->throttle(guest, 90, NULL), 0);
	assert_int_equal(guest->kind->run(guest, NULL), 0);
	spent = vcpu_seconds();
	begun = rj_now_ns();
	run_until(guest, 20000);
	stop(guest);
	spent = vcpu_seconds() - spent;
	assert_true(spent / ((double)(rj_now_ns() - begun) / 1e9) < 0.2);
	rj_cli_guest_free(guest);
}

static void a_throttled_pace_is_slower(void **state)
{
	struct rj_cli_guest *guest = make(
		"process:size=2M,write=40M,set=1M,threads=1", RJ_CLI_SOURCE);
	double seconds;
	uint64_t begun, writes;

	(void)state;
	assert_int_equal(guest->kind->ops->throttle(guest, 75, NULL), 0);
	begun = rj_now_ns();
	assert_int_equal(guest->kind->run(guest, NULL), 0);
	run_until(guest, 400);
	stop(guest);
	seconds = (double)(rj_now_ns() - begun) / 1e9;
	writes = guest->kind->writes(guest);
	/* A quarter of 10240 a second. */
	assert_true((double)writes <= 2560 * seconds + 1);
	rj_cli_guest_free(guest);
}

static void an_idle_guest_writes_nothing(void **state)
{
	struct rj_cli_guest *guest =
		make("process:size=2M,write=0", RJ_CLI_SOURCE);
	struct rj_cli_guest_check check;

	(void)state;
	(void)ram_of(guest);
	assert_int_equal(fake.dirty_sources, 0);
	assert_int_equal(guest->kind->run(guest, NULL), 0);
	assert_true(guest->kind->running(guest));
	stop(guest);
	assert_clean(guest, &check);
	assert_int_equal(check.writes, 0);
	assert_int_equal(check.pages, 512);
	rj_cli_guest_free(guest);
}

/* What an engine does, by hand; returns the running target. */
static struct rj_cli_guest *hand_over(struct rj_cli_guest *source,
				      const char *text)
{
	struct rj_cli_guest *target = make(text, RJ_CLI_TARGET);
	void *here = ram_of(source), *there;
	uint64_t bytes = fake.block.bytes;
	size_t state_bytes;
	void *data;

	assert_int_equal(fake.dirty_sources, 1);
	assert_false(fake.block.flags & RAMJET_BLOCK_FRESH);
	there = ram_of(target);
	assert_true(fake.block.flags & RAMJET_BLOCK_FRESH);
	assert_int_equal(fake.block.bytes, bytes);
	assert_int_equal(fake.dirty_sources, 0);
	stop(source);
	assert_int_equal(source->kind->ops->save_state(source, &data,
						       &state_bytes, NULL),
			 0);
	memcpy(there, here, bytes);
	assert_int_equal(
		target->kind->ops->load_state(target, data, state_bytes, NULL),
		0);
	free(data);
	start(target);
	return target;
}

static void a_moved_guest_goes_on_with_the_next_write(void **state)
{
	struct rj_cli_guest *source =
		make("process:size=2M,write=max,set=1M,threads=2,seed=5",
		     RJ_CLI_SOURCE);
	struct rj_cli_guest *target;
	struct rj_cli_guest_check before, after;

	(void)state;
	assert_int_equal(source->kind->run(source, NULL), 0);
	run_until(source, 300);
	/* All the target is told is the size. */
	target = hand_over(source, "process:size=2M,prealloc=1");
	run_until(target, 300);
	stop(target);
	assert_clean(source, &before);
	assert_clean(target, &after);
	assert_int_equal(after.first_write, before.writes);
	assert_int_equal(after.writes - after.own_writes, before.writes);
	assert_true(after.own_writes >= 300);
	assert_int_equal(rj_cli_guest_watch_quiet(source, 1000, NULL), 0);
	rj_cli_guest_free(source);
	rj_cli_guest_free(target);
}

static void a_guest_that_lost_a_write_stumbles_over_it(void **state)
{
	struct rj_cli_guest *source =
		make("process:size=1M,write=max,set=64K", RJ_CLI_SOURCE);
	uint64_t *ram = ram_of(source);
	struct rj_cli_guest_check check;
	struct ramjet_error err = { 0 };
	uint64_t next;

	(void)state;
	assert_int_equal(source->kind->run(source, NULL), 0);
	run_until(source, 100);
	stop(source);
	/* Page 5 as it was a pass ago; it is the fourth of 16 in each. */
	ram[5 * 512 + 3]--;
	ram[5 * 512 + 511]--;
	next = source->kind->writes(source);
	next += (16 + 3 - next % 16) % 16;
	start(source);
	while (source->kind->writes(source) < next)
		(void)sched_yield();
	for (unsigned i = 0; i < 100; i++) {
		stop(source);
		start(source);
		(void)sched_yield();
	}
	stop(source);
	assert_int_equal(source->kind->writes(source), next);
	assert_int_equal(source->kind->check(source, &check, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "page 5 "));
	rj_cli_guest_free(source);
}

static void a_guest_that_writes_on_is_not_quiet(void **state)
{
	struct rj_cli_guest *guest =
		make("process:size=1M,write=max,set=64K", RJ_CLI_SOURCE);
	struct ramjet_error err = { 0 };
	int rc;

	(void)state;
	assert_int_equal(guest->kind->run(guest, NULL), 0);
	do
		rc = rj_cli_guest_watch_quiet(guest, 1000, &err);
	while (!rc);
	assert_int_equal(rc, -EBUSY);
	assert_non_null(strstr(err.message, "memory changed"));
	rj_cli_guest_free(guest);
}

static void ram_that_holds_no_guest_does_not_start(void **state)
{
	struct rj_cli_guest *target = make("process:size=1M", RJ_CLI_TARGET);
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(target->kind->ops->start(target, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "isn't the header"));
	rj_cli_guest_free(target);
}

static void a_stopped_guest_has_no_trial(void **state)
{
	struct rj_cli_guest *guest = make("process:size=1M", RJ_CLI_SOURCE);
	struct rj_cli_guest_check check;
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(rj_cli_guest_trial(guest, 1000, &check, &err), -EIO);
	rj_cli_guest_free(guest);
}

static void huge_pages_are_there_or_refused_by_name(void **state)
{
	struct ramjet_error err = { 0 };
	struct rj_cli_guest_spec spec;
	struct rj_cli_guest *guest = NULL;
	int rc;

	(void)state;
	assert_int_equal(
		rj_cli_guest_spec_parse("process:size=64T,pages=2M,write=0",
					&spec, NULL),
		0);
	rc = rj_cli_guest_new(&spec, RJ_CLI_TARGET, &guest, &err);
	assert_int_equal(rc, -ENOMEM);
	assert_non_null(strstr(err.message, "pages=2M: of the pool, "));
}

static void more_than_there_is_is_refused_with_figures(void **state)
{
	static const char *const guests[] = {
		"process:size=64T,write=0",
		"process:size=64T,used=32T",
		"process:size=64T,used=1M,set=64K,prealloc=1",
	};

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(guests); i++) {
		struct ramjet_error err = { 0 };
		struct rj_cli_guest_spec spec;
		struct rj_cli_guest *guest = NULL;

		assert_int_equal(
			rj_cli_guest_spec_parse(guests[i], &spec, &err), 0);
		assert_int_equal(
			rj_cli_guest_new(&spec, RJ_CLI_SOURCE, &guest, &err),
			-ENOMEM);
		assert_non_null(
			strstr(err.message, "guest process: it would take "));
		assert_non_null(strstr(err.message, " MiB are to be had ("));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_than_there_is_is_refused_with_figures),
		cmocka_unit_test(a_paced_guest_stops_and_starts),
		cmocka_unit_test(an_unpaced_guest_stops_and_starts),
		cmocka_unit_test(a_throttled_guest_still_gets_on),
		cmocka_unit_test(a_burst_is_written_by_the_first_stops),
		cmocka_unit_test(a_storm_ends),
		cmocka_unit_test(a_calm_guest_still_writes),
		cmocka_unit_test(
			a_throttled_vcpu_leaves_the_time_it_is_told_to),
		cmocka_unit_test(a_throttled_pace_is_slower),
		cmocka_unit_test(an_idle_guest_writes_nothing),
		cmocka_unit_test(a_moved_guest_goes_on_with_the_next_write),
		cmocka_unit_test(a_guest_that_lost_a_write_stumbles_over_it),
		cmocka_unit_test(a_guest_that_writes_on_is_not_quiet),
		cmocka_unit_test(ram_that_holds_no_guest_does_not_start),
		cmocka_unit_test(a_stopped_guest_has_no_trial),
		cmocka_unit_test(huge_pages_are_there_or_refused_by_name),
	};

	return cmocka_run_group_tests_name("guest_process", tests, NULL, NULL);
}
