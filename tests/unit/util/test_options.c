/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "util/options.h"

/* What the library knows, and what an older and a newer caller pass. */
struct now {
	size_t size;
	uint64_t first;
	uint64_t second;
};
struct older {
	size_t size;
	uint64_t first;
};
struct newer {
	size_t size;
	uint64_t first;
	uint64_t second;
	unsigned char third[8];
};

static int copy(struct now *to, const void *from, struct ramjet_error *err)
{
	return rj_options_copy("now", to, sizeof(*to), sizeof(struct older),
			       from, err);
}

static void an_older_caller_keeps_the_defaults(void **state)
{
	struct now to = { .first = 1, .second = 2 };
	struct older from = { .size = sizeof(from), .first = 10 };

	(void)state;
	assert_int_equal(copy(&to, &from, NULL), 0);
	assert_int_equal(to.size, sizeof(to));
	assert_int_equal(to.first, 10);
	assert_int_equal(to.second, 2);
}

static void a_newer_caller_may_not_ask_for_more(void **state)
{
	struct now to = { 0 };
	struct newer from = { .size = sizeof(from), .second = 20 };
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(copy(&to, &from, NULL), 0);
	assert_int_equal(to.second, 20);
	from.third[7] = 1;
	assert_int_equal(copy(&to, &from, &err), -E2BIG);
	assert_string_equal(err.message, "now: byte 31 is set, this library "
					 "knows 24 bytes");
}

static void a_forgotten_size_is_refused(void **state)
{
	struct now to = { .first = 1 };
	struct now from = { .size = 0, .first = 10 };

	(void)state;
	assert_int_equal(copy(&to, &from, NULL), -EINVAL);
	assert_int_equal(copy(&to, NULL, NULL), -EINVAL);
	assert_int_equal(to.first, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_older_caller_keeps_the_defaults),
		cmocka_unit_test(a_newer_caller_may_not_ask_for_more),
		cmocka_unit_test(a_forgotten_size_is_refused),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
