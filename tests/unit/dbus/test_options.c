/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "dbus/id.h"
#include "dbus/options.h"

static const struct ramjet_helper_options good = {
	RAMJET_HELPER_OPTIONS_INIT,
	.bus_address = "unix:path=/x",
};

static void defaults_are_the_documented_ones(void **state)
{
	struct ramjet_helper_options known;

	(void)state;
	assert_int_equal(rj_helpers_check_options(&good, &known, NULL), 0);
	assert_int_equal(known.state_bytes_max, 1048576);
	assert_int_equal(known.gather_timeout_ms, 500);
	assert_int_equal(known.helper_timeout_ms, 500);
	assert_int_equal(known.helper_uid, -1);
	assert_false(known.rehearse);
}

static int checked(const struct ramjet_helper_options *options,
		   const char *names)
{
	struct ramjet_helper_options known;
	struct ramjet_error err = { 0 };
	int rc = rj_helpers_check_options(options, &known, &err);

	if (rc < 0 && !strstr(err.message, names))
		fail_msg("\"%s\" is not in \"%s\"", names, err.message);
	return rc;
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const wrong[] = { "",
					     "xx",
					     "unix:",
					     "unix:/x",
					     "tcp:host=h,port=1",
					     "unix:path=/x;xx" };
	struct ramjet_helper_options o = good;

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(wrong); i++) {
		o.bus_address = wrong[i];
		assert_int_equal(checked(&o, "address"), -EINVAL);
	}
	o.bus_address = "unix:path=/x;unix:abstract=y";
	assert_int_equal(checked(&o, ""), 0);
	o.id_list = "a,,b";
	assert_int_equal(checked(&o, "id-list"), -EINVAL);
}

static void without_a_limit_there_is_what_is_possible(void **state)
{
	struct ramjet_helper_options o = good, known;

	(void)state;
	o.state_bytes_max = o.total_bytes_max = 0;
	o.helpers_max = 0;
	o.start_timeout_ms = o.gather_timeout_ms = o.helper_timeout_ms = 0;
	assert_int_equal(rj_helpers_check_options(&o, &known, NULL), 0);
	assert_int_equal(known.state_bytes_max, 64u << 20);
	assert_int_equal(known.total_bytes_max, 1u << 30);
	assert_int_equal(known.helpers_max, 1024);
	assert_int_equal(known.start_timeout_ms, 0);
	assert_int_equal(known.gather_timeout_ms, 0);
	assert_int_equal(known.helper_timeout_ms, 0);
}

static void values_out_of_range_are_refused_by_name(void **state)
{
	struct ramjet_helper_options o = good;

	(void)state;
	o.state_bytes_max = 64u << 20;
	assert_int_equal(checked(&o, ""), 0);
	o.state_bytes_max++;
	assert_int_equal(checked(&o, "state_bytes_max"), -ERANGE);
	o = good;
	o.helpers_max = 1025;
	assert_int_equal(checked(&o, "helpers_max"), -ERANGE);
	o = good;
	o.gather_timeout_ms = 3600001;
	assert_int_equal(checked(&o, "gather_timeout_ms"), -ERANGE);
	o = good;
	o.helper_uid = -2;
	assert_int_equal(checked(&o, "helper_uid"), -ERANGE);
	o.helper_uid = UINT32_MAX;
	assert_int_equal(checked(&o, "helper_uid"), -ERANGE);
	o = good;
	o.bus_address = NULL;
	assert_int_equal(checked(&o, "bus_address"), -EINVAL);
	assert_int_equal(checked(NULL, "NULL"), -EINVAL);
}

static void sizes_tell_old_callers_from_new_ones(void **state)
{
	struct {
		struct ramjet_helper_options known;
		uint64_t later;
	} newer = { .known = good };
	struct ramjet_helper_options o = good;

	(void)state;
	newer.known.size = sizeof(newer);
	assert_int_equal(checked(&newer.known, ""), 0);
	newer.later = 1;
	assert_int_equal(checked(&newer.known, "helper options"), -E2BIG);
	o.size = 8;
	assert_int_equal(checked(&o, "helper options"), -EINVAL);
}

static void id_lists_are_taken_literally(void **state)
{
	struct rj_id_list list;

	(void)state;
	assert_int_equal(rj_id_list_parse(NULL, &list, NULL), 0);
	assert_false(list.given);
	assert_int_equal(rj_id_list_parse("a, b,a", &list, NULL), 0);
	assert_true(list.given);
	assert_int_equal(list.count, 2);
	assert_true(rj_id_list_has(&list, "a"));
	assert_true(rj_id_list_has(&list, " b"));
	assert_false(rj_id_list_has(&list, "b"));
	rj_id_list_done(&list);
	rj_id_list_done(&list);
}

static void bad_ids_in_lists_are_refused(void **state)
{
	static const char *const bad[] = {
		"", ",", "a,", ",a", "a,,b", "a,\xff"
	};
	char longer[257];
	struct rj_id_list list;

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(bad); i++)
		assert_int_equal(rj_id_list_parse(bad[i], &list, NULL),
				 -EINVAL);
	memset(longer, 'a', 256);
	longer[256] = '\0';
	assert_int_equal(rj_id_list_parse(longer, &list, NULL), -EINVAL);
	longer[255] = '\0';
	assert_int_equal(rj_id_list_parse(longer, &list, NULL), 0);
	rj_id_list_done(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_the_documented_ones),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(without_a_limit_there_is_what_is_possible),
		cmocka_unit_test(values_out_of_range_are_refused_by_name),
		cmocka_unit_test(sizes_tell_old_callers_from_new_ones),
		cmocka_unit_test(id_lists_are_taken_literally),
		cmocka_unit_test(bad_ids_in_lists_are_refused),
	};

	return cmocka_run_group_tests_name("helpers_options", tests, NULL,
					   NULL);
}
