/* SPDX-License-Identifier: BSD-3-Clause */
/* What a ramjet without D-Bus says; it must say it everywhere. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "dbus/vmstate.h"

static const struct ramjet_helper_options options = {
	RAMJET_HELPER_OPTIONS_INIT,
	.bus_address = "unix:path=/x",
};

static void everything_fails_with_the_reason(void **state)
{
	struct ramjet_error err = { 0 };
	struct ramjet_helper *helper = NULL;
	struct rj_helpers *h = NULL;

	(void)state;
	assert_false(rj_helpers_supported());
	assert_int_equal(rj_helpers_open(&options, NULL, -1, &h, &err),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "built without D-Bus"));
	assert_null(h);
	assert_int_equal(ramjet_helpers_list(&options, NULL, NULL, NULL),
			 -EOPNOTSUPP);
	assert_int_equal(ramjet_helper_new("unix:path=/x", "a", NULL, NULL,
					   NULL, &helper, NULL),
			 -EOPNOTSUPP);
	rj_helpers_free(h);
	ramjet_helper_free(helper);
}

static void guests_without_helpers_still_move(void **state)
{
	(void)state;
	assert_int_equal(rj_helpers_check_arriving(NULL, NULL, 0, NULL), 0);
	assert_int_equal(rj_helpers_check_arriving(NULL, "\0\0\0\0", 4, NULL),
			 0);
	assert_int_equal(rj_helpers_check_arriving(NULL, "\0\0\0\1", 4, NULL),
			 -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_fails_with_the_reason),
		cmocka_unit_test(guests_without_helpers_still_move),
	};

	return cmocka_run_group_tests_name("helpers_absent", tests, NULL, NULL);
}
