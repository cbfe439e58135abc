/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "engine/link/lanes.h"
#include "util/compiler.h"

#define WISHED 16u

static unsigned with_limit(int which, rlim_t most, struct ramjet_error *why)
{
	struct rlimit all, few;
	unsigned count;

	assert_int_equal(getrlimit(which, &all), 0);
	few = all;
	few.rlim_cur = most;
	assert_int_equal(setrlimit(which, &few), 0);
	count = rj_lanes_available(WISHED, why);
	assert_int_equal(setrlimit(which, &all), 0);
	return count;
}

/* How many descriptors are free below `most`. */
static unsigned free_below(int most)
{
	unsigned count = 0;

	for (int fd = 0; fd < most; fd++)
		count += fcntl(fd, F_GETFD) < 0;
	return count;
}

static void without_limits_all_are_to_be_had(void **state RJ_UNUSED)
{
	struct ramjet_error why = { 0 };

	assert_int_equal(rj_lanes_available(WISHED, &why), WISHED);
	assert_int_equal(why.code, 0);
	assert_int_equal(rj_lanes_available(1, &why), 1);
}

static void descriptors_may_be_few(void **state RJ_UNUSED)
{
	struct ramjet_error why = { 0 };
	const unsigned before = free_below(64);

	/* Two each, and as many as two channels take for all else. */
	assert_int_equal(with_limit(RLIMIT_NOFILE, 32, &why),
			 free_below(32) / 2 - 2);
	assert_int_equal(why.code, -EMFILE);
	assert_non_null(strstr(why.message, "descriptors"));
	assert_int_equal(with_limit(RLIMIT_NOFILE, 0, &why), 1);
	/* And nothing stays behind. */
	assert_int_equal(free_below(64), before);
}

static void address_space_may_be_short(void **state RJ_UNUSED)
{
#if defined(__SANITIZE_ADDRESS__) || defined(RJ_TSAN)
	print_message("# skipped: sanitizers need the address space\n");
	skip();
#else
	struct ramjet_error why = { 0 };
	const unsigned count = with_limit(RLIMIT_AS, UINT64_C(64) << 20, &why);

	assert_in_range(count, 1, WISHED - 1);
	assert_true(why.code < 0);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_limits_all_are_to_be_had),
		cmocka_unit_test(descriptors_may_be_few),
		cmocka_unit_test(address_space_may_be_short),
	};

	return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
