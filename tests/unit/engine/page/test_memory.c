/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "engine/page/digest.h"
#include "engine/page/memory.h"
#include "engine/page/run_kinds.h"
#include "tests/unit/engine/guarded.h"
#include "util/error.h"

#define PAGES 700u /* a chunk and a short one */
#define MASK  0x5a

/* Two blocks of one content: where it lies, and out of reach, every byte of it
 * changed, so that whoever takes the pointer finds something else. */
static struct guarded open_ram, hidden_ram;
static uint32_t bad_page = UINT32_MAX;

static const uint8_t *look(const struct rj_block *block, uint64_t page,
			   uint32_t count, uint8_t *scratch,
			   struct ramjet_error *err)
{
	const uint8_t *from = block->host + page * RAMJET_PAGE_BYTES;

	if (bad_page >= page && bad_page < page + count) {
		(void)rj_fail(err, -EIO, "page %u cannot be read", bad_page);
		return NULL;
	}
	for (size_t i = 0; i < (size_t)count * RAMJET_PAGE_BYTES; i++)
		scratch[i] = from[i] ^ MASK;
	return scratch;
}

static int write_pages(const struct rj_block *block, uint64_t page,
		       uint32_t count, const uint8_t *data,
		       struct ramjet_error *err)
{
	uint8_t *to = block->host + page * RAMJET_PAGE_BYTES;

	(void)err;
	for (size_t i = 0; i < (size_t)count * RAMJET_PAGE_BYTES; i++)
		to[i] = data[i] ^ MASK;
	return 0;
}

static int clear(const struct rj_block *block, uint64_t page, uint32_t count,
		 struct ramjet_error *err)
{
	(void)err;
	memset(block->host + page * RAMJET_PAGE_BYTES, MASK,
	       (size_t)count * RAMJET_PAGE_BYTES);
	return 0;
}

static const struct rj_memory_ops hidden = {
	.name = "hidden",
	.look = look,
	.write = write_pages,
	.clear = clear,
};

static struct rj_block open_block(void)
{
	return guarded_block(&open_ram);
}

static struct rj_block hidden_block(void)
{
	struct rj_block block = guarded_block(&hidden_ram);

	block.memory = &hidden;
	return block;
}

static int setup(void **state)
{
	const uint64_t bytes = (uint64_t)PAGES * RAMJET_PAGE_BYTES;

	(void)state;
	bad_page = UINT32_MAX;
	if (guarded_map(&open_ram, bytes) || guarded_map(&hidden_ram, bytes))
		return -1;
	memset(hidden_ram.host, MASK, bytes);
	memset(open_ram.host, 0, bytes);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(guarded_is_intact(&open_ram));
	assert_true(guarded_is_intact(&hidden_ram));
	guarded_unmap(&open_ram);
	guarded_unmap(&hidden_ram);
	return 0;
}

/* The same page in either. */
static void fill(uint64_t page)
{
	const struct rj_block block = hidden_block();

	guarded_fill(&open_ram, page, 7);
	assert_int_equal(
		rj_pages_write(&block, page, 1,
			       open_ram.host + page * RAMJET_PAGE_BYTES, NULL),
		0);
}

static struct rj_digest digest_of(const struct rj_block *block)
{
	struct rj_digest digest = { 1, 1 };
	struct ramjet_error err = { 0 };

	if (rj_digest_block(block, &digest, &err))
		fail_msg("%s", err.message);
	return digest;
}

static void expect_the_same(void)
{
	const struct rj_block a = open_block(), b = hidden_block();
	const struct rj_digest ours = digest_of(&a), theirs = digest_of(&b);

	assert_int_equal(ours.low, theirs.low);
	assert_int_equal(ours.high, theirs.high);
}

static void a_digest_is_of_the_content_wherever_it_is(void **state)
{
	static const uint64_t pages[] = { 0, 1, 2, 3, 4, 5, 511, 512, 699 };
	const struct rj_block block = open_block();

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(pages); i++)
		fill(pages[i]);
	assert_true(digest_of(&block).low);
	expect_the_same();
}

static void what_cannot_be_read_fails_the_digest(void **state)
{
	const struct rj_block block = hidden_block();
	struct ramjet_error err = { 0 };
	struct rj_digest digest;

	(void)state;
	bad_page = 600;
	assert_int_equal(rj_digest_block(&block, &digest, &err), -EIO);
	assert_non_null(strstr(err.message, "page 600 cannot be read"));
}

static void zero_runs_are_written_through_the_operations(void **state)
{
	const struct rj_block a = open_block(), b = hidden_block();
	struct rj_bitmap received;
	struct rj_run_piece piece = {
		.received = &received,
		.run = { .kind = RJ_RUN_ZERO, .page = 510, .count = 100 },
	};

	(void)state;
	assert_int_equal(rj_bitmap_init(&received, PAGES, NULL), 0);
	(void)rj_bitmap_set_run(&received, 0, PAGES);
	for (uint64_t page = 505; page < 620; page += 3)
		fill(page);
	piece.block = &a;
	assert_int_equal(rj_run_rows[RJ_RUN_ZERO].place(NULL, &piece, NULL), 0);
	piece.block = &b;
	assert_int_equal(rj_run_rows[RJ_RUN_ZERO].place(NULL, &piece, NULL), 0);
	expect_the_same();
	rj_bitmap_done(&received);
}

static void mapped_pages_are_cleared_and_no_others(void **state)
{
	const struct rj_block block = open_block();

	(void)state;
	assert_ptr_equal(rj_block_memory(&block), &rj_mapped_memory);
	fill(3);
	fill(5);
	fill(6);
	assert_int_equal(rj_pages_clear(&block, 4, 2, NULL), 0);
	assert_int_not_equal(open_ram.host[3 * RAMJET_PAGE_BYTES + 9], 0);
	assert_int_equal(open_ram.host[5 * RAMJET_PAGE_BYTES + 9], 0);
	assert_int_not_equal(open_ram.host[6 * RAMJET_PAGE_BYTES + 9], 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_digest_is_of_the_content_wherever_it_is),
		TEST(what_cannot_be_read_fails_the_digest),
		TEST(zero_runs_are_written_through_the_operations),
		TEST(mapped_pages_are_cleared_and_no_others),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
