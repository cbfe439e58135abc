/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/guest/blocker.h"

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct rj_blockers));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	rj_blockers_done(*state);
	free(*state);
	return 0;
}

static void no_blocker_lets_everything_pass(void **state)
{
	struct ramjet_error err = { 0 };

	assert_int_equal(rj_blockers_check(*state, &err), 0);
	assert_int_equal(err.code, 0);
}

static void every_reason_is_named(void **state)
{
	struct ramjet_error err = { 0 };

	assert_int_equal(rj_blockers_add(*state, "a disk is busy", &err), 0);
	assert_int_equal(rj_blockers_add(*state, "a device is bound", &err), 0);
	assert_int_equal(rj_blockers_check(*state, &err), -EPERM);
	assert_int_equal(err.code, -EPERM);
	assert_non_null(strstr(err.message, "a disk is busy"));
	assert_non_null(strstr(err.message, "a device is bound"));
	assert_int_equal(rj_blockers_check(*state, NULL), -EPERM);
}

static void equal_reasons_count(void **state)
{
	assert_int_equal(rj_blockers_add(*state, "twice", NULL), 0);
	assert_int_equal(rj_blockers_add(*state, "twice", NULL), 0);
	assert_int_equal(rj_blockers_remove(*state, "twice"), 0);
	assert_int_equal(rj_blockers_check(*state, NULL), -EPERM);
	assert_int_equal(rj_blockers_remove(*state, "twice"), 0);
	assert_int_equal(rj_blockers_check(*state, NULL), 0);
	assert_int_equal(rj_blockers_remove(*state, "twice"), -ENOENT);
}

static void removing_one_leaves_the_others(void **state)
{
	struct ramjet_error err = { 0 };

	assert_int_equal(rj_blockers_add(*state, "first", NULL), 0);
	assert_int_equal(rj_blockers_add(*state, "second", NULL), 0);
	assert_int_equal(rj_blockers_add(*state, "third", NULL), 0);
	assert_int_equal(rj_blockers_remove(*state, "second"), 0);
	assert_int_equal(rj_blockers_remove(*state, "sec"), -ENOENT);
	assert_int_equal(rj_blockers_check(*state, &err), -EPERM);
	assert_non_null(strstr(err.message, "first"));
	assert_null(strstr(err.message, "second"));
	assert_non_null(strstr(err.message, "third"));
}

static void the_reason_is_a_copy(void **state)
{
	char reason[] = "mine";
	struct ramjet_error err = { 0 };

	assert_int_equal(rj_blockers_add(*state, reason, NULL), 0);
	memset(reason, 'x', sizeof(reason) - 1);
	assert_int_equal(rj_blockers_check(*state, &err), -EPERM);
	assert_non_null(strstr(err.message, "mine"));
}

static void a_blocker_without_a_reason_is_refused(void **state)
{
	struct ramjet_error err = { 0 };

	assert_int_equal(rj_blockers_add(*state, NULL, &err), -EINVAL);
	assert_true(*err.message);
	assert_int_equal(rj_blockers_add(*state, "", NULL), -EINVAL);
	assert_int_equal(rj_blockers_check(*state, NULL), 0);
}

static void there_is_a_most_and_its_message_stays_in_bounds(void **state)
{
	struct ramjet_error err = { 0 };
	char reason[300];

	memset(reason, 'r', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	for (unsigned i = 0; i < RJ_BLOCKERS_MAX; i++)
		assert_int_equal(rj_blockers_add(*state, reason, NULL), 0);
	assert_int_equal(rj_blockers_add(*state, "one more", &err), -ENOSPC);
	assert_true(*err.message);
	err.code = 0;
	assert_int_equal(rj_blockers_check(*state, &err), -EPERM);
	assert_true(strlen(err.message) < sizeof(err.message));
	assert_int_equal(rj_blockers_remove(*state, reason), 0);
	assert_int_equal(rj_blockers_add(*state, "one more", NULL), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(no_blocker_lets_everything_pass),
		CASE(every_reason_is_named),
		CASE(equal_reasons_count),
		CASE(removing_one_leaves_the_others),
		CASE(the_reason_is_a_copy),
		CASE(a_blocker_without_a_reason_is_refused),
		CASE(there_is_a_most_and_its_message_stays_in_bounds),
	};

	return cmocka_run_group_tests_name("blocker", tests, NULL, NULL);
}
