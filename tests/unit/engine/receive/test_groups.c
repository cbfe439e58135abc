/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups at the target: where their pages go, and what a bad one leaves
 * alone. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/page/coding.h"
#include "engine/page/run_table.h"
#include "engine/page/zstd_version.h"
#include "engine/receive/target_memory.h"
#include "tests/unit/engine/guarded.h"
#include "tests/unit/engine/ops_memory.h"

#define PAGES     1100u
#define HEAD      9u /* of a frame of zstd that says its size in 4 bytes */
#define BLOCK_MAX (128u << 10)

struct scene {
	struct guarded ram;
	struct rj_block block;
	struct ops_memory own;
	struct rj_target_memory memory;
	struct rj_page_codec codec;
	uint8_t table[64 * RJ_RUN_BYTES];
	struct rj_frame frame;
	uint8_t payload[256];
	struct iovec iov[RJ_RUNS_MAX];
	bool untouched[RJ_RUNS_MAX];
	struct rj_scatter scatter;
	struct ramjet_error err;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s || guarded_map(&s->ram, PAGES * RAMJET_PAGE_BYTES))
		return -1;
	s->block = guarded_block(&s->ram);
	s->block.flags = RAMJET_BLOCK_FRESH;
	s->scatter.iov = s->iov;
	s->scatter.untouched = s->untouched;
	*state = s;
	return rj_target_memory_init(&s->memory, &s->block, 1, &s->err);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_page_codec_done(&s->codec);
	rj_target_memory_done(&s->memory);
	assert_true(guarded_is_intact(&s->ram));
	assert_false(atomic_load(&s->own.is_wrong));
	guarded_unmap(&s->ram);
	free(s);
	return 0;
}

static void begin(struct scene *s)
{
	s->frame = (struct rj_frame){ .type = RJ_FRAME_PAGES };
	s->err = (struct ramjet_error){ 0 };
}

static void add(struct scene *s, uint64_t page, uint32_t count,
		enum rj_run_kind kind)
{
	const struct rj_wire_run run = { page, count, kind };

	rj_run_encode(&run, s->table + s->frame.run_count++ * RJ_RUN_BYTES);
}

/* A frame of zstd that says it holds `says` bytes, and repeats `byte` so often:
 * where it is one, in a block for each 128 KiB. */
static uint32_t put_zstd(struct scene *s, uint32_t says, uint32_t holds,
			 uint8_t byte)
{
	uint8_t *at = s->payload + s->frame.payload_bytes;
	const uint8_t *from = at;

	rj_put32(at, 0xfd2fb528);
	at[4] = 0xa0;
	rj_put32(at + 5, says);
	at += HEAD;
	do {
		const uint32_t some = holds < BLOCK_MAX ? holds : BLOCK_MAX;

		holds -= some;
		rj_put32(at, some << 3 | 2 | !holds);
		at[3] = byte;
		at += 4;
	} while (holds);
	s->frame.payload_bytes += (uint32_t)(at - from);
	return (uint32_t)(at - from);
}

/* A group begins, and this is what is said of it. */
static void add_zstd(struct scene *s, uint64_t page, uint32_t count,
		     uint32_t says, uint32_t holds, uint8_t byte)
{
	add(s, page, count, RJ_RUN_ZSTD);
	rj_run_encode_told(RJ_RUN_ZSTD, put_zstd(s, says, holds, byte),
			   s->table + s->frame.run_count++ * RJ_RUN_BYTES);
}

static void add_group(struct scene *s, uint64_t page, uint32_t count,
		      uint32_t pages, uint8_t byte)
{
	add_zstd(s, page, count, pages * RAMJET_PAGE_BYTES,
		 pages * RAMJET_PAGE_BYTES, byte);
}

static int take(struct scene *s)
{
	size_t at = 0;
	int rc;

	if (!rj_zstd_version()) {
		print_message("# built without zstd\n");
		skip();
	}
	rc = rj_target_memory_place(&s->memory, &s->codec, &s->frame, s->table,
				    &s->scatter, &s->err);
	for (unsigned i = 0; !rc && i < s->scatter.count; i++) {
		memcpy(s->iov[i].iov_base, s->payload + at, s->iov[i].iov_len);
		at += s->iov[i].iov_len;
	}
	if (!rc)
		assert_int_equal(at, s->frame.payload_bytes);
	return rc ? rc : rj_page_place(&s->codec, &s->err);
}

static void expect_page(const struct scene *s, uint64_t page, uint8_t byte)
{
	const uint8_t *at = s->ram.host + page * RAMJET_PAGE_BYTES;

	for (unsigned i = 0; i < RAMJET_PAGE_BYTES; i++)
		assert_int_equal(at[i], byte);
}

static void a_group_is_decoded_where_it_belongs(void **state)
{
	struct scene *s = *state;

	begin(s);
	add_group(s, 3, 1, 32, 0x11);
	/* They lie together all the same. */
	add(s, 4, 31, RJ_RUN_JOINED);
	add_group(s, PAGES - 4, 4, 4, 0x22);
	assert_int_equal(take(s), 0);
	assert_int_equal(s->scatter.count, 2);
	assert_int_equal(s->scatter.pages[RJ_RUN_ZSTD], 5);
	assert_int_equal(s->scatter.pages[RJ_RUN_JOINED], 31);
	for (uint64_t page = 3; page < 35; page++)
		expect_page(s, page, 0x11);
	for (uint64_t page = PAGES - 4; page < PAGES; page++)
		expect_page(s, page, 0x22);
	assert_int_equal(rj_bitmap_count(&s->memory.received[0]), 36);
	assert_int_equal(guarded_resident(&s->ram, 0, PAGES), 36);
}

static void a_scattered_group_is_spread(void **state)
{
	struct scene *s = *state;

	begin(s);
	add_group(s, 5, 2, 5, 0x33);
	add(s, 7, 3, RJ_RUN_ZERO);
	add(s, 10, 1, RJ_RUN_JOINED);
	add(s, PAGES - 2, 2, RJ_RUN_JOINED);
	assert_int_equal(take(s), 0);
	expect_page(s, 5, 0x33);
	expect_page(s, 6, 0x33);
	expect_page(s, 10, 0x33);
	expect_page(s, PAGES - 2, 0x33);
	expect_page(s, PAGES - 1, 0x33);
	assert_int_equal(guarded_resident(&s->ram, 0, PAGES), 5);
	/* And what has come is cleared when zeros come. */
	begin(s);
	add(s, 0, PAGES, RJ_RUN_ZERO);
	assert_int_equal(take(s), 0);
	expect_page(s, 10, 0);
	expect_page(s, PAGES - 1, 0);
}

static void a_hidden_group_is_written_with_one_call(void **state)
{
	struct scene *s = *state;

	s->own.ram = &s->ram;
	s->block.host = NULL;
	s->block.foreign = &ops_memory_ops;
	s->block.foreign_user = &s->own;
	begin(s);
	add_group(s, 5, 2, 4, 0x44);
	add(s, 10, 1, RJ_RUN_JOINED);
	add(s, 20, 1, RJ_RUN_JOINED);
	add_group(s, 30, 3, 3, 0x55);
	assert_int_equal(take(s), 0);
	assert_int_equal(atomic_load(&s->own.calls[OPS_WRITE]), 2);
	assert_int_equal(atomic_load(&s->own.pages[OPS_WRITE]), 7);
	expect_page(s, 5, 0x44);
	expect_page(s, 20, 0x44);
	expect_page(s, 32, 0x55);
}

/* ---- bad ones ---------------------------------------------------------------- */

static void expect_refused(struct scene *s, int code, const char *message)
{
	assert_int_equal(take(s), code);
	assert_string_equal(s->err.message, message);
}

/* All are looked at before one is decoded. */
static void nothing_of_a_frame_is_decoded_when_one_is_no_frame(void **state)
{
	struct scene *s = *state;

	begin(s);
	add_group(s, 3, 2, 2, 0x11);
	add_zstd(s, 9, 1, 4097, 4096, 0x22);
	expect_refused(s, -EPROTO,
		       "block ram0, page 9 and its group: the zstd frame says "
		       "it holds 4097 bytes, its pages are 4096");
	expect_page(s, 3, 0);
	/* What the group's runs are counts, not that of its first. */
	begin(s);
	add_group(s, 3, 2, 2, 0x11);
	add(s, 20, 1, RJ_RUN_JOINED);
	expect_refused(s, -EPROTO,
		       "block ram0, page 3 and its group: the zstd frame says "
		       "it holds 8192 bytes, its pages are 12288");
	begin(s);
	add_group(s, 3, 2, 2, 0x11);
	s->payload[0] = 0;
	expect_refused(s, -EPROTO,
		       "block ram0, page 3 and its group: it begins "
		       "0xfd2fb500, wanted a zstd frame");
	expect_page(s, 3, 0);
}

/* It says two pages and holds something else: no page beside is written. */
static void expect_bomb(struct scene *s, uint32_t holds)
{
	const char *what = "block ram0, page 7 and its group: the zstd frame "
			   "can't be decoded: ";

	memset(s->ram.host, 0x77, PAGES * RAMJET_PAGE_BYTES);
	begin(s);
	add_zstd(s, 7, 2, 2 * RAMJET_PAGE_BYTES, holds, 0x11);
	assert_int_equal(take(s), -EBADMSG);
	if (strncmp(s->err.message, what, strlen(what)) != 0)
		fail_msg("%s", s->err.message);
	for (uint64_t page = 0; page < PAGES; page++)
		if (page != 7 && page != 8)
			expect_page(s, page, 0x77);
	/* And at the block's end. */
	begin(s);
	add_zstd(s, PAGES - 2, 2, 2 * RAMJET_PAGE_BYTES, holds, 0x11);
	assert_int_equal(take(s), -EBADMSG);
	assert_true(guarded_is_intact(&s->ram));
	/* Nor is anything written where the lane's memory was between. */
	memset(s->ram.host, 0x77, PAGES * RAMJET_PAGE_BYTES);
	begin(s);
	add_zstd(s, 7, 1, 2 * RAMJET_PAGE_BYTES, holds, 0x11);
	add(s, 9, 1, RJ_RUN_JOINED);
	assert_int_equal(take(s), -EBADMSG);
	for (uint64_t page = 0; page < PAGES; page++)
		expect_page(s, page, 0x77);
}

static void a_bomb_writes_nothing_but_its_pages(void **state)
{
	static const uint32_t holds[] = {
		1,
		RAMJET_PAGE_BYTES,
		2 * RAMJET_PAGE_BYTES - 1,
		2 * RAMJET_PAGE_BYTES + 1,
		BLOCK_MAX,
		40 * BLOCK_MAX,
	};
	struct scene *s = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(holds); i++)
		expect_bomb(s, holds[i]);
}

/* A block that says it is compressed, of any bytes. */
static void rubbish_is_not_decoded(void **state)
{
	struct scene *s = *state;
	uint64_t random = 1;

	for (unsigned i = 0; i < 500; i++) {
		uint8_t *block = s->payload + HEAD;
		const uint32_t bytes = 1 + i % 100;

		begin(s);
		memset(s->ram.host, 0x77, 20 * (size_t)RAMJET_PAGE_BYTES);
		add_group(s, 7, 2, 2, 0x11);
		rj_put32(block, bytes << 3 | 4 | 1);
		for (uint32_t k = 0; k < bytes; k++) {
			random = random * 6364136223846793005u + 1;
			block[3 + k] = (uint8_t)(random >> 40);
		}
		s->frame.payload_bytes = HEAD + 3 + bytes;
		rj_run_encode_told(RJ_RUN_ZSTD, s->frame.payload_bytes,
				   s->table + RJ_RUN_BYTES);
		assert_int_equal(take(s), -EBADMSG);
		expect_page(s, 6, 0x77);
		expect_page(s, 9, 0x77);
	}
}

static void without_zstd_a_group_is_refused(void **state)
{
	struct scene *s = *state;

	if (rj_zstd_version()) {
		print_message("# built with zstd\n");
		skip();
	}
	begin(s);
	add_group(s, 3, 1, 1, 0x11);
	assert_int_equal(rj_target_memory_place(&s->memory, &s->codec,
						&s->frame, s->table,
						&s->scatter, &s->err),
			 0);
	memcpy(s->iov[0].iov_base, s->payload, s->iov[0].iov_len);
	assert_int_equal(rj_page_place(&s->codec, &s->err), -EOPNOTSUPP);
	assert_string_equal(s->err.message,
			    "block ram0, page 3 and its group: this build has "
			    "no zstd");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_group_is_decoded_where_it_belongs),
		CASE(a_scattered_group_is_spread),
		CASE(a_hidden_group_is_written_with_one_call),
		CASE(nothing_of_a_frame_is_decoded_when_one_is_no_frame),
		CASE(a_bomb_writes_nothing_but_its_pages),
		CASE(rubbish_is_not_decoded),
		CASE(without_zstd_a_group_is_refused),
	};

	return cmocka_run_group_tests_name("receive_groups", tests, NULL, NULL);
}
