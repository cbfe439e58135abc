/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/page/delta.h"
#include "engine/page/zstd_version.h"
#include "tests/unit/engine/guarded.h"

#define PAGE RAMJET_PAGE_BYTES

static uint8_t base[PAGE], page[PAGE];
static uint8_t coded[RJ_DELTA_BYTES_MAX];
static struct rj_delta_coder coder;
static uint64_t seed = 20261128;

/* xorshift64: any numbers, the same each time. */
static unsigned any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 32);
}

static void fill(uint8_t *at, size_t bytes)
{
	while (bytes--)
		*at++ = (uint8_t)any();
}

static int setup(void **state)
{
	(void)state;
	fill(base, PAGE);
	memcpy(page, base, PAGE);
	rj_delta_coder_done(&coder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rj_delta_coder_done(&coder);
	return 0;
}

/* What is coded makes the page again; returns its bytes. */
static uint32_t code(bool zstd)
{
	const uint32_t bytes = rj_delta_encode(&coder, base, page, zstd, coded);
	uint8_t made[PAGE];

	assert_true(bytes <= RJ_DELTA_BYTES_MAX);
	if (!bytes)
		return 0;
	assert_int_equal(rj_delta_apply(&coder, base, coded, bytes, made, NULL),
			 0);
	assert_memory_equal(made, page, PAGE);
	return bytes;
}

static void an_equal_page_is_only_the_way(void **state)
{
	(void)state;
	assert_int_equal(code(true), 1);
	assert_int_equal(coded[0], RJ_DELTA_RUNS);
}

static void changed_bytes_are_sent_with_two_numbers(void **state)
{
	static const uint8_t wanted[] = { RJ_DELTA_RUNS, 5, 1, 0, 0x8f,
					  0xf8,          2, 0, 0 };

	(void)state;
	memset(base, 1, PAGE);
	memset(page, 1, PAGE);
	page[5] = 0;
	page[PAGE - 2] = page[PAGE - 1] = 0;
	assert_int_equal(code(true), sizeof(wanted));
	assert_memory_equal(coded, wanted, sizeof(wanted));
}

static void stretches_with_a_small_gap_are_one(void **state)
{
	static const uint8_t wanted[] = {
		RJ_DELTA_RUNS, 0, 4, 0, 1, 1, 0, 3, 1, 0
	};

	(void)state;
	memset(base, 1, PAGE);
	memset(page, 1, PAGE);
	page[0] = page[3] = page[7] = 0;
	assert_int_equal(code(true), sizeof(wanted));
	assert_memory_equal(coded, wanted, sizeof(wanted));
}

static void what_changed_altogether_is_not_worth_it(void **state)
{
	(void)state;
	fill(page, PAGE);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(code(true), 0);
}

static void any_change_comes_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		const unsigned changes = any() % 60;

		memcpy(page, base, PAGE);
		for (unsigned c = 0; c < changes; c++) {
			const size_t bytes = 1 + any() % (c % 7 ? 8 : 300);

			fill(page + any() % (PAGE - bytes + 1), bytes);
		}
		(void)code(i & 1);
	}
}

static void what_has_moved_is_small_with_zstd(void **state)
{
	uint32_t bytes;

	(void)state;
	memmove(page + 3, base, PAGE - 3);
	assert_int_equal(code(false), 0);
	bytes = code(true);
	if (!rj_zstd_version()) {
		assert_int_equal(bytes, 0);
		return;
	}
	assert_int_equal(coded[0], RJ_DELTA_ZSTD);
	assert_in_range(bytes, 1, 100);
}

/* Whatever comes is refused or makes a page, and writes nowhere else. */
static void try_apply(const struct guarded *g, const uint8_t *from,
		      size_t bytes)
{
	struct ramjet_error err = { 0 };
	uint8_t *exact = malloc(bytes ? bytes : 1);
	int rc;

	assert_non_null(exact); /* a sanitizer sees what is read beyond it */
	memcpy(exact, from, bytes);
	rc = rj_delta_apply(&coder, base, exact, bytes, g->host, &err);
	free(exact);
	assert_true(!rc == !err.message[0]);
	assert_true(guarded_is_intact(g));
}

static void damaged_ones_write_one_page_at_most(void **state)
{
	struct guarded g;

	(void)state;
	assert_int_equal(guarded_map(&g, PAGE), 0);
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t bytes;

		memcpy(page, base, PAGE);
		if (i & 1)
			memmove(page + 1 + any() % 64, base, PAGE - 64);
		for (unsigned c = any() % 9; c; c--)
			page[any() % PAGE] ^= 1;
		bytes = rj_delta_encode(&coder, base, page, true, coded);
		if (!bytes)
			continue;
		coded[any() % bytes] ^= (uint8_t)(1u << any() % 8);
		if (!(i % 5))
			bytes = any() % (bytes + 1);
		try_apply(&g, coded, bytes);
	}
	guarded_unmap(&g);
}

static void refused(const uint8_t *from, size_t bytes, const char *wanted)
{
	struct ramjet_error err = { 0 };
	uint8_t made[PAGE];

	assert_int_equal(rj_delta_apply(&coder, base, from, bytes, made, &err),
			 -EPROTO);
	assert_non_null(strstr(err.message, wanted));
}

static void hostile_ones_are_refused(void **state)
{
	static const struct {
		uint8_t bytes[6];
		size_t count;
		const char *wanted;
	} cases[] = {
		{ { 0 }, 0, "empty" },
		{ { 2, 0, 1, 9 }, 4, "unknown way, 2" },
		{ { 0, 5 }, 2, "without its length" },
		{ { 0, 0x80 }, 2, "without its length" },
		{ { 0, 5, 0 }, 3, "without its length" },
		/* A number that is too long for what it is. */
		{ { 0, 0x80, 5, 1, 9 }, 5, "without its length" },
		{ { 0, 0, 2, 9 }, 4, "2 bytes change, it has 1" },
		{ { 0, 0x90, 0, 1, 9 }, 5, "1 bytes at 4096" },
		{ { 0, 0x8f, 0xff, 2, 9, 9 }, 6, "2 bytes at 4095" },
		{ { 0, 0xff, 0xff, 1, 9 }, 5, "the page ends at 4096" },
		{ { 1, 9, 9, 9 }, 4, "zstd" },
		{ { 1 }, 1, "zstd" },
	};

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(cases); i++)
		refused(cases[i].bytes, cases[i].count, cases[i].wanted);
}

/* Ways by which a zstd frame may be another one than was wanted. */
static void more_than_a_frame_is_refused(void **state)
{
	uint32_t bytes;

	(void)state;
	memmove(page + 3, base, PAGE - 3);
	bytes = code(true);
	if (!bytes) {
		print_message("# skipped: built without zstd\n");
		skip();
	}
	coded[bytes] = 0;
	refused(coded, bytes + 1, "1 bytes follow the zstd frame");
	refused(coded, bytes - 1, "zstd");
	/* As the format was in zstd 0.7, which libraries still read. */
	coded[1] = 0x27;
	refused(coded, bytes, "wanted a zstd frame");
}

/* For want of room zstd gives one up in the middle. */
static void one_that_does_not_fit_spoils_no_other(void **state)
{
	struct rj_zstd_delta zstd = { 0 };
	uint32_t first;

	(void)state;
	memmove(page + 3, base, PAGE - 3);
	first = rj_zstd_delta_pack(&zstd, base, page, coded, sizeof(coded));
	if (!first) {
		print_message("# skipped: built without zstd\n");
		skip();
	}
	assert_int_equal(
		rj_zstd_delta_pack(&zstd, base, page, coded, first / 2), 0);
	assert_int_equal(
		rj_zstd_delta_pack(&zstd, base, page, coded, sizeof(coded)),
		first);
	rj_zstd_delta_done(&zstd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_equal_page_is_only_the_way, setup),
		cmocka_unit_test_setup(changed_bytes_are_sent_with_two_numbers,
				       setup),
		cmocka_unit_test_setup(stretches_with_a_small_gap_are_one,
				       setup),
		cmocka_unit_test_setup(what_changed_altogether_is_not_worth_it,
				       setup),
		cmocka_unit_test_setup(any_change_comes_back, setup),
		cmocka_unit_test_setup(what_has_moved_is_small_with_zstd,
				       setup),
		cmocka_unit_test_setup(damaged_ones_write_one_page_at_most,
				       setup),
		cmocka_unit_test_setup(hostile_ones_are_refused, setup),
		cmocka_unit_test_setup(more_than_a_frame_is_refused, setup),
		cmocka_unit_test_setup(one_that_does_not_fit_spoils_no_other,
				       setup),
	};

	return cmocka_run_group_tests_name("page_delta", tests, NULL, teardown);
}
