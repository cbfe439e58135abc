/* SPDX-License-Identifier: BSD-3-Clause */
/* Slowing a guest down needs a VMM and an environment, and no migration. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "engine/source/throttle.h"
#include "tests/unit/engine/bare_env.h"
#include "util/clock.h"
#include "util/error.h"

struct world {
	struct ramjet_guest guest;
	sigset_t mask;
	struct rj_vmm vmm;
	struct bare_env bare;
	/* what the VMM was told */
	uint32_t told;
	unsigned calls;
	bool refuses;
};

static int throttle_guest(void *user, unsigned percent,
			  struct ramjet_error *err)
{
	struct world *w = user;

	w->told = percent;
	w->calls++;
	return w->refuses ? rj_fail(err, -EIO, "no such vCPU") : 0;
}

static void open_world(struct world *w)
{
	*w = (struct world){ 0 };
	w->guest.ops.throttle = throttle_guest;
	w->guest.user = w;
	(void)pthread_sigmask(SIG_BLOCK, NULL, &w->mask);
	w->vmm = (struct rj_vmm){ .guest = &w->guest, .mask = &w->mask };
	bare_env_open(&w->bare);
}

static void the_guest_is_told_once(void **state)
{
	struct rj_throttle throttle = { 0 };
	struct ramjet_error err = { 0 };
	struct world w;

	(void)state;
	open_world(&w);
	assert_int_equal(
		rj_throttle_set(&throttle, 0, &w.vmm, &w.bare.env, &err), 0);
	assert_int_equal(w.calls, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(rj_throttle_set(&throttle, 30, &w.vmm,
						 &w.bare.env, &err),
				 0);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.told, 30);
	assert_string_equal(w.bare.logged, "vCPUs throttled by 30 %");
	bare_env_close(&w.bare);
}

/* A guest at half its speed for a second has lost half a second. */
static void its_cost_is_its_share_of_the_time(void **state)
{
	struct rj_throttle throttle = { .percent = 50 };
	const uint64_t began_us = rj_now_us() - 1000000;
	struct world w;
	uint64_t lost_us;

	(void)state;
	open_world(&w);
	throttle.since_us = began_us;
	rj_throttle_account(&throttle, &w.bare.env);
	lost_us = (throttle.since_us - began_us) / 2;
	assert_true(lost_us >= 500000);
	assert_int_equal(w.bare.stats.throttled_us, lost_us);
	throttle.percent = 0;
	rj_throttle_account(&throttle, &w.bare.env);
	assert_int_equal(w.bare.stats.throttled_us, lost_us);
	bare_env_close(&w.bare);
}

static void what_failed_half_way_is_lifted(void **state)
{
	struct rj_throttle throttle = { 0 };
	struct ramjet_error err = { 0 };
	struct world w;

	(void)state;
	open_world(&w);
	w.refuses = true;
	assert_int_equal(
		rj_throttle_set(&throttle, 20, &w.vmm, &w.bare.env, &err),
		-EIO);
	assert_non_null(strstr(err.message, "no such vCPU"));
	w.refuses = false;
	w.bare.stats.throttle_percent = 20;
	rj_throttle_lift(&throttle, &w.vmm, &w.bare.env);
	assert_int_equal(w.calls, 2);
	assert_int_equal(w.told, 0);
	assert_int_equal(w.bare.stats.throttle_percent, 0);
	/* Nothing is left to lift. */
	rj_throttle_lift(&throttle, &w.vmm, &w.bare.env);
	assert_int_equal(w.calls, 2);
	bare_env_close(&w.bare);
}

static void a_guest_that_may_stay_slow_is_logged(void **state)
{
	struct rj_throttle throttle = { .percent = 40 };
	struct world w;

	(void)state;
	open_world(&w);
	w.refuses = true;
	rj_throttle_lift(&throttle, &w.vmm, &w.bare.env);
	assert_non_null(strstr(w.bare.logged, "the guest may stay throttled"));
	assert_non_null(strstr(w.bare.logged, "no such vCPU"));
	bare_env_close(&w.bare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guest_is_told_once),
		cmocka_unit_test(its_cost_is_its_share_of_the_time),
		cmocka_unit_test(what_failed_half_way_is_lifted),
		cmocka_unit_test(a_guest_that_may_stay_slow_is_logged),
	};

	return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
