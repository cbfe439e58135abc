/* SPDX-License-Identifier: BSD-3-Clause */
/* What is populated of memory that is not mapped here: its operations say it. */
#include "dirty/populated.h"

#include <errno.h>
#include <string.h>

#include "ramjet-remote.h"
#include "tests/unit/cmocka_all.h"

#define PAGES 1000u
#define BASE  50u /* of the block: where the region begins */

static struct ramjet_memory_range told[4];
static unsigned told_count;
static struct ramjet_memory_range asked;
static int answer;
static struct rj_bitmap bm;

static int vmm_populated(void *user, const struct ramjet_memory_range *range,
			 ramjet_memory_tell_fn *tell, void *context,
			 struct ramjet_error *err)
{
	int rc = 0;

	(void)user, (void)err;
	asked = *range;
	for (unsigned i = 0; !rc && i < told_count; i++)
		rc = tell(context, &told[i]);
	return rc ? rc : answer;
}

static const struct ramjet_memory_ops ops = {
	RAMJET_MEMORY_OPS_INIT,
	.name = "told",
	.populated = vmm_populated,
};
static const struct ramjet_memory_ops silent = {
	RAMJET_MEMORY_OPS_INIT,
	.name = "silent",
};

static struct ramjet_dirty_region region_of(const struct ramjet_memory_ops *o)
{
	return (struct ramjet_dirty_region){
		.size = sizeof(struct ramjet_dirty_region),
		.name = "ram",
		.page_count = PAGES,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = -1,
		.fd_offset = (uint64_t)BASE * RAMJET_PAGE_BYTES,
		.memory = o,
	};
}

static void will_tell(uint64_t first, uint64_t count)
{
	told[told_count++] =
		(struct ramjet_memory_range){ first * RAMJET_PAGE_BYTES,
					      count * RAMJET_PAGE_BYTES };
}

static int setup(void **state)
{
	(void)state;
	told_count = 0;
	answer = 0;
	return rj_bitmap_init(&bm, PAGES, NULL);
}

static int teardown(void **state)
{
	(void)state;
	rj_bitmap_done(&bm);
	return 0;
}

static int scan(const struct ramjet_dirty_region *region,
		enum rj_populated_method *method, const char **reason,
		struct ramjet_error *err)
{
	return rj_populated_scan(region, &bm, method, reason, err);
}

static void what_is_told_counts(void **state)
{
	const struct ramjet_dirty_region region = region_of(&ops);
	enum rj_populated_method method;
	const char *reason;

	(void)state;
	will_tell(BASE, 1);
	will_tell(BASE + 10, 20);
	will_tell(BASE + PAGES - 1, 1);
	assert_int_equal(scan(&region, &method, &reason, NULL), 0);
	assert_int_equal(method, RJ_POPULATED_ASKED);
	assert_string_equal(rj_populated_method_name(method), "vmm");
	assert_string_equal(reason, "");
	assert_int_equal(asked.offset, (uint64_t)BASE * RAMJET_PAGE_BYTES);
	assert_int_equal(asked.bytes, (uint64_t)PAGES * RAMJET_PAGE_BYTES);
	for (unsigned page = 0; page < PAGES; page++)
		assert_int_equal(rj_bitmap_test(&bm, page),
				 !page || page == PAGES - 1 ||
					 (page >= 10 && page < 30));
}

static void who_does_not_tell_has_all(void **state)
{
	const struct ramjet_dirty_region region = region_of(&silent);
	enum rj_populated_method method;
	const char *reason;

	(void)state;
	assert_int_equal(scan(&region, &method, &reason, NULL), 0);
	assert_int_equal(method, RJ_POPULATED_ALL);
	assert_non_null(strstr(reason, "populated"));
	for (unsigned page = 0; page < PAGES; page++)
		assert_true(rj_bitmap_test(&bm, page));
}

static void open_region(struct rj_populated *look,
			const struct ramjet_dirty_region *region,
			struct rj_scan_pool *pool)
{
	const char *reason;

	assert_int_equal(rj_populated_open(look, region, pool, &reason, NULL),
			 0);
}

static void the_first_is_enough(void **state)
{
	const struct ramjet_dirty_region region = region_of(&ops);
	struct rj_scan_pool pool = { .opened = false };
	struct rj_populated look;

	(void)state;
	open_region(&look, &region, &pool);
	will_tell(BASE + 300, 5);
	will_tell(0, 1); /* not asked for, and not heard */
	assert_int_equal(rj_populated_first(&look, 200, 500), 300);
	assert_int_equal(asked.offset,
			 (uint64_t)(BASE + 200) * RAMJET_PAGE_BYTES);
	told_count = 0;
	assert_int_equal(rj_populated_first(&look, 200, 500), 700);
	/* A hint: who fails to give one is asked again. */
	answer = -EIO;
	assert_int_equal(rj_populated_first(&look, 200, 500), 200);
	rj_populated_close(&look);
}

/* An error is one: were all of it to count, all of it would be read. */
static void a_failure_is_one(void **state)
{
	const struct ramjet_dirty_region region = region_of(&ops);
	struct rj_scan_pool pool = { .opened = false };
	struct ramjet_error err = { 0 };
	struct rj_populated look;
	const char *reason;

	(void)state;
	open_region(&look, &region, &pool);
	answer = -EIO;
	assert_int_equal(rj_populated_look(&look, 0, PAGES, &bm, &reason, &err),
			 -EIO);
	assert_non_null(strstr(err.message, "block ram: its memory (told)"));
	/* No errno. */
	answer = 1;
	assert_int_equal(rj_populated_look(&look, 0, PAGES, &bm, &reason, NULL),
			 -EIO);
	rj_populated_close(&look);
}

static void other_pages_are_refused(void **state)
{
	static const struct ramjet_memory_range bad[] = {
		{ 0, RAMJET_PAGE_BYTES },
		{ (uint64_t)(BASE + PAGES) * RAMJET_PAGE_BYTES,
		  RAMJET_PAGE_BYTES },
		{ (uint64_t)(BASE + PAGES - 1) * RAMJET_PAGE_BYTES,
		  (uint64_t)2 * RAMJET_PAGE_BYTES },
		{ (uint64_t)BASE * RAMJET_PAGE_BYTES, UINT64_MAX - 4095 },
		{ (uint64_t)BASE * RAMJET_PAGE_BYTES + 1, RAMJET_PAGE_BYTES },
		{ (uint64_t)BASE * RAMJET_PAGE_BYTES, 100 },
		{ (uint64_t)BASE * RAMJET_PAGE_BYTES, 0 },
	};
	const struct ramjet_dirty_region region = region_of(&ops);

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct ramjet_error err = { 0 };
		enum rj_populated_method method;
		const char *reason;

		told[0] = bad[i];
		told_count = 1;
		assert_int_equal(scan(&region, &method, &reason, &err),
				 -ERANGE);
		assert_non_null(strstr(err.message, "not asked for"));
	}
}

#define ASKED_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ASKED_TEST(what_is_told_counts),
		ASKED_TEST(who_does_not_tell_has_all),
		ASKED_TEST(the_first_is_enough),
		ASKED_TEST(a_failure_is_one),
		ASKED_TEST(other_pages_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
