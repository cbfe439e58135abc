/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest's side of helpers; what they do on a bus is tested in dbus/. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/guest/helpers.h"
#include "engine/migration/helper_report.h"
#include "util/compiler.h"

static int stop_or_start(void *user, struct ramjet_error *err)
{
	(void)user, (void)err;
	return 0;
}

static int setup(void **state)
{
	const struct ramjet_guest_ops ops = {
		RAMJET_GUEST_OPS_INIT,
		.stop = stop_or_start,
		.start = stop_or_start,
	};
	static _Alignas(RAMJET_PAGE_BYTES) uint8_t ram[RAMJET_PAGE_BYTES];
	const struct ramjet_block block = {
		RAMJET_BLOCK_INIT,
		.name = "ram0",
		.host = ram,
		.bytes = sizeof(ram),
	};
	struct ramjet_guest *guest = NULL;

	if (ramjet_guest_new(&ops, NULL, &guest, NULL))
		return -1;
	*state = guest;
	return ramjet_guest_add_block(guest, &block, NULL);
}

static int teardown(void **state)
{
	ramjet_guest_free(*state);
	return 0;
}

/* False: this build has no D-Bus, which was said. */
static bool is_supported(int rc, const struct ramjet_error *err)
{
	if (rc != -EOPNOTSUPP)
		return true;
	printf("# skipped: %s\n", err->message);
	return false;
}

static void a_guest_has_no_helpers_at_first(void **state)
{
	struct ramjet_helper_options seen;

	assert_false(rj_guest_helper_options(*state, &seen));
}

static void options_are_copied_with_their_strings(void **state)
{
	char address[] = "unix:path=/nowhere", list[] = "a,b";
	struct ramjet_helper_options options = { RAMJET_HELPER_OPTIONS_INIT };
	struct ramjet_helper_options seen;
	struct ramjet_error err = { 0 };
	int rc;

	options.bus_address = address;
	options.id_list = list;
	options.helpers_max = 3;
	rc = ramjet_guest_set_helpers(*state, &options, &err);
	if (!is_supported(rc, &err))
		skip();
	assert_int_equal(rc, 0);
	memset(address, 'x', sizeof(address) - 1);
	memset(list, 'x', sizeof(list) - 1);
	assert_true(rj_guest_helper_options(*state, &seen));
	assert_string_equal(seen.bus_address, "unix:path=/nowhere");
	assert_string_equal(seen.id_list, "a,b");
	assert_int_equal(seen.helpers_max, 3);
	/* Set again, with fewer; then taken away. */
	options.bus_address = "unix:abstract=other";
	options.id_list = NULL;
	assert_int_equal(ramjet_guest_set_helpers(*state, &options, NULL), 0);
	assert_true(rj_guest_helper_options(*state, &seen));
	assert_string_equal(seen.bus_address, "unix:abstract=other");
	assert_null(seen.id_list);
	assert_int_equal(ramjet_guest_set_helpers(*state, NULL, NULL), 0);
	assert_false(rj_guest_helper_options(*state, &seen));
	assert_int_equal(ramjet_guest_set_helpers(*state, NULL, NULL), 0);
}

static void bad_options_change_nothing(void **state)
{
	struct ramjet_helper_options good = { RAMJET_HELPER_OPTIONS_INIT };
	struct ramjet_helper_options bad[4], seen;
	struct ramjet_error err = { 0 };
	int rc;

	good.bus_address = "unix:path=/nowhere";
	rc = ramjet_guest_set_helpers(*state, &good, &err);
	if (!is_supported(rc, &err))
		skip();
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].bus_address = NULL;
	bad[1].state_bytes_max = (64u << 20) + 1;
	bad[2].total_bytes_max = (UINT64_C(1) << 30) + 1;
	bad[3].helpers_max = 1025;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(bad); i++) {
		err = (struct ramjet_error){ 0 };
		if (ramjet_guest_set_helpers(*state, &bad[i], &err) >= 0)
			fail_msg("options %u were taken", i);
		assert_true(err.code < 0 && err.message[0]);
		assert_true(rj_guest_helper_options(*state, &seen));
		assert_string_equal(seen.bus_address, "unix:path=/nowhere");
	}
	assert_int_equal(ramjet_guest_set_helpers(NULL, &good, NULL), -EINVAL);
}

static void helpers_do_not_change_while_the_guest_is_moved(void **state)
{
	struct ramjet_error err = { 0 };

	assert_int_equal(rj_guest_acquire(*state, true, NULL), 0);
	assert_int_equal(ramjet_guest_set_helpers(*state, NULL, &err), -EBUSY);
	assert_true(err.message[0]);
	rj_guest_release(*state);
	rj_guest_forget(*state);
	assert_int_equal(ramjet_guest_set_helpers(*state, NULL, &err), 0);
}

#define GUEST_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GUEST_TEST(a_guest_has_no_helpers_at_first),
		GUEST_TEST(options_are_copied_with_their_strings),
		GUEST_TEST(bad_options_change_nothing),
		GUEST_TEST(helpers_do_not_change_while_the_guest_is_moved),
	};

	return cmocka_run_group_tests_name("helper report", tests, NULL, NULL);
}
