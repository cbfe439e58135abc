/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages are grouped, compressed, and come to be what they were at the other
 * end. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/page/zstd_version.h"
#include "engine/receive/target_memory.h"
#include "engine/send/out_frame.h"
#include "tests/unit/engine/guarded.h"
#include "tests/unit/engine/ops_memory.h"

#define PAGES 1500u

struct scene {
	uint8_t *source;
	struct guarded ram;
	struct rj_block block;
	struct ops_memory own; /* the block's, in one test */
	struct rj_target_memory memory;
	struct rj_page_codec from, to;
	struct rj_counters counters;
	struct rj_reduction reduction;
	struct rj_out_frame frames[RJ_CODEC_FRAMES];
	unsigned filling, sent;
	uint64_t payload_bytes;
	uint64_t pages[RJ_RUN_KINDS]; /* as they came */
	struct iovec iov[RJ_RUNS_MAX];
	bool untouched[RJ_RUNS_MAX];
	struct rj_scatter scatter;
	struct ramjet_error err;
	uint64_t random;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s || guarded_map(&s->ram, PAGES * RAMJET_PAGE_BYTES))
		return -1;
	s->source = calloc(PAGES, RAMJET_PAGE_BYTES);
	s->block = guarded_block(&s->ram);
	s->block.flags = RAMJET_BLOCK_FRESH;
	s->scatter.iov = s->iov;
	s->scatter.untouched = s->untouched;
	s->random = 1;
	*state = s;
	return rj_target_memory_init(&s->memory, &s->block, 1, &s->err);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_page_codec_done(&s->from);
	rj_page_codec_done(&s->to);
	rj_target_memory_done(&s->memory);
	assert_true(guarded_is_intact(&s->ram));
	assert_false(atomic_load(&s->own.is_wrong));
	guarded_unmap(&s->ram);
	free(s->source);
	free(s);
	return 0;
}

static void open(struct scene *s, int32_t level, bool one_way)
{
	if (!rj_zstd_version()) {
		print_message("# built without zstd\n");
		skip();
	}
	s->reduction = (struct rj_reduction){
		.kinds = 1u << RJ_RUN_ZSTD | 1u << RJ_RUN_JOINED,
		.level = level,
	};
	rj_page_codec_init(&s->from, RJ_OUT_PAYLOAD_BYTES);
	s->from.reduction = &s->reduction;
	s->from.level = level;
	s->from.counters = &s->counters;
	if (one_way)
		assert_int_equal(rj_page_codec_copy(&s->from, &s->err), 0);
	assert_int_equal(rj_page_codec_compress(&s->from, level, &s->err), 0);
	for (unsigned i = 0; i < RJ_CODEC_FRAMES; i++)
		rj_out_frame_init(&s->frames[i], &s->from, i);
}

static struct rj_out_frame *filling(struct scene *s)
{
	return &s->frames[s->filling];
}

static uint8_t *page_at(struct scene *s, uint64_t page)
{
	return s->source + page * RAMJET_PAGE_BYTES;
}

static uint64_t next_random(struct scene *s)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random;
}

/* Words that repeat here and there. */
static void write_text(struct scene *s, uint64_t page)
{
	uint64_t *words = (uint64_t *)(void *)page_at(s, page);

	for (unsigned i = 0; i < RAMJET_PAGE_BYTES / 8; i++)
		words[i] = 0x2020202020200000u + next_random(s) % 500;
}

static void write_noise(struct scene *s, uint64_t page)
{
	uint64_t *words = (uint64_t *)(void *)page_at(s, page);

	for (unsigned i = 0; i < RAMJET_PAGE_BYTES / 8; i++)
		words[i] = next_random(s);
}

/* ---- the other end --------------------------------------------------------- */

/* All of the payload, in one piece. */
static uint8_t *payload_of(const struct rj_out_frame *frame)
{
	uint8_t *payload = malloc(frame->payload_bytes + 1);
	size_t at = 0;

	for (unsigned i = 1; i < frame->iov_count; i++) {
		memcpy(payload + at, frame->iov[i].iov_base,
		       frame->iov[i].iov_len);
		at += frame->iov[i].iov_len;
	}
	assert_int_equal(at, frame->payload_bytes);
	return payload;
}

static void deliver(struct scene *s)
{
	struct rj_out_frame *frame = filling(s);
	const uint8_t *table = frame->head + RJ_HEADER_BYTES;
	struct rj_frame header = { 0 };
	uint8_t *payload;
	size_t at = 0;

	if (rj_out_frame_is_empty(frame))
		return;
	rj_out_frame_seal(frame, 0);
	assert_true(frame->payload_bytes <= frame->payload_max);
	assert_true(frame->iov_count <= RJ_OUT_RUNS_MAX + 1);
	payload = payload_of(frame);
	assert_int_equal(rj_frame_decode(frame->head, &header, &s->err), 0);
	assert_int_equal(
		rj_frame_verify(frame->head, &header, table, NULL, &s->err), 0);
	if (header.flags & RJ_FLAG_CHECKED)
		assert_true(header.payload_sum ==
			    XXH3_64bits(payload, header.payload_bytes));
	header.block = 0;
	if (rj_target_memory_place(&s->memory, &s->to, &header, table,
				   &s->scatter, &s->err))
		fail_msg("%s", s->err.message);
	for (unsigned i = 0; i < s->scatter.count; i++) {
		memcpy(s->iov[i].iov_base, payload + at, s->iov[i].iov_len);
		at += s->iov[i].iov_len;
	}
	assert_int_equal(at, header.payload_bytes);
	if (rj_page_place(&s->to, &s->err))
		fail_msg("%s", s->err.message);
	for (unsigned kind = 0; kind < RJ_RUN_KINDS; kind++)
		s->pages[kind] += s->scatter.pages[kind];
	s->payload_bytes += header.payload_bytes;
	free(payload);
	s->sent++;
	s->filling = !s->filling;
	rj_out_frame_reset(filling(s));
}

static void add_from(struct scene *s, const uint8_t *pages, uint64_t page,
		     uint32_t count, enum rj_run_kind kind)
{
	while (count) {
		const bool was_empty = rj_out_frame_is_empty(filling(s));
		const uint32_t added = rj_out_frame_add(filling(s), 0, pages,
							page, count, kind);

		assert_true(added || !was_empty);
		pages += added * RAMJET_PAGE_BYTES;
		page += added;
		count -= added;
		if (count)
			deliver(s);
	}
}

static void add(struct scene *s, uint64_t page, uint32_t count,
		enum rj_run_kind kind)
{
	add_from(s, page_at(s, page), page, count, kind);
}

static void expect_equal(struct scene *s, uint64_t page, uint64_t count)
{
	for (uint64_t i = page; i < page + count; i++)
		if (memcmp(page_at(s, i), s->ram.host + i * RAMJET_PAGE_BYTES,
			   RAMJET_PAGE_BYTES) != 0)
			fail_msg("page %llu differs", (unsigned long long)i);
}

static struct rj_wire_run run_at(struct rj_out_frame *frame, uint32_t index)
{
	return rj_run_unpack(rj_out_frame_entry(frame, index));
}

/* ---- what is there ---------------------------------------------------------- */

static void a_group_ends_when_it_is_full(void **state)
{
	struct scene *s = *state;
	static const uint32_t counts[] = { 1, 31, 32, 33, 64, 65 };

	open(s, 1, false);
	for (uint64_t page = 0; page < 65; page++)
		write_text(s, page);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(counts); i++) {
		const uint32_t count = counts[i];
		struct rj_out_frame *f = filling(s);
		const uint32_t groups = (count + 31) / 32;

		add(s, 0, count, RJ_RUN_ZSTD);
		assert_int_equal(f->group.pages, count % 32);
		rj_out_frame_seal(f, 0);
		assert_int_equal(f->group.pages, 0);
		assert_int_equal(f->run_count, 2 * groups);
		assert_int_equal(f->iov_count, 1 + groups);
		assert_int_equal(f->pages[RJ_RUN_ZSTD], count);
		for (uint32_t k = 0; k < groups; k++) {
			const struct rj_wire_run run = run_at(f, 2 * k);

			assert_int_equal(run.kind, RJ_RUN_ZSTD);
			assert_int_equal(run.page, 32 * k);
			assert_int_equal(run.count,
					 k + 1 == groups ? count - 32 * k : 32);
		}
		deliver(s);
		expect_equal(s, 0, count);
	}
	assert_true(rj_counter(&s->counters.zstd_in_bytes) ==
		    226 * RAMJET_PAGE_BYTES);
	assert_true(rj_counter(&s->counters.zstd_out_bytes) ==
		    s->payload_bytes);
	assert_true(rj_counter(&s->counters.zstd_ns) > 0);
	assert_int_equal(rj_counter(&s->counters.zstd_refused_pages), 0);
}

/* Over gaps, and over what goes another way. */
static void scattered_pages_are_compressed_together(void **state)
{
	const struct rj_wire_run want[] = {
		{ 2, 2, RJ_RUN_ZSTD },   { 0, 0, 0 },
		{ 4, 3, RJ_RUN_ZERO },   { 7, 1, RJ_RUN_JOINED },
		{ 9, 1, RJ_RUN_RAW },    { 10, 1, RJ_RUN_JOINED },
		{ 20, 1, RJ_RUN_JOINED }
	};
	struct scene *s = *state;
	struct rj_out_frame *f;

	open(s, 1, false);
	for (uint64_t page = 0; page < 30; page++)
		write_text(s, page);
	memset(page_at(s, 4), 0, (size_t)3 * RAMJET_PAGE_BYTES);
	f = filling(s);
	add(s, 2, 1, RJ_RUN_ZSTD);
	add(s, 3, 1, RJ_RUN_ZSTD);
	add(s, 4, 3, RJ_RUN_ZERO);
	add(s, 7, 1, RJ_RUN_ZSTD);
	add(s, 9, 1, RJ_RUN_RAW);
	add(s, 10, 1, RJ_RUN_ZSTD);
	add(s, 20, 1, RJ_RUN_ZSTD);
	rj_out_frame_seal(f, 0);
	assert_int_equal(f->run_count, RJ_ARRAY_SIZE(want));
	for (uint32_t i = 0; i < f->run_count; i++) {
		const struct rj_wire_run run = run_at(f, i);

		if (i != 1)
			assert_memory_equal(&run, &want[i], sizeof(run));
	}
	/* The group, and the raw page behind it. */
	assert_int_equal(f->iov_count, 3);
	assert_ptr_equal(f->iov[2].iov_base, page_at(s, 9));
	deliver(s);
	assert_int_equal(s->pages[RJ_RUN_ZSTD], 2);
	assert_int_equal(s->pages[RJ_RUN_JOINED], 3);
	expect_equal(s, 2, 6);
	expect_equal(s, 9, 2);
	expect_equal(s, 20, 1);
}

static void what_does_not_become_smaller_goes_raw(void **state)
{
	const struct rj_wire_run want[] = { { 1, 1, RJ_RUN_RAW },
					    { 2, 3, RJ_RUN_ZERO },
					    { 5, 1, RJ_RUN_RAW },
					    { 7, 2, RJ_RUN_RAW } };
	struct scene *s = *state;
	struct rj_out_frame *f;

	open(s, 1, false);
	for (uint64_t page = 0; page < 100; page++)
		write_noise(s, page);
	memset(page_at(s, 2), 0, (size_t)3 * RAMJET_PAGE_BYTES);
	f = filling(s);
	add(s, 1, 1, RJ_RUN_ZSTD);
	add(s, 2, 3, RJ_RUN_ZERO);
	add(s, 5, 1, RJ_RUN_ZSTD);
	add(s, 7, 1, RJ_RUN_ZSTD);
	add(s, 8, 1, RJ_RUN_ZSTD);
	rj_out_frame_seal(f, 0);
	assert_int_equal(f->run_count, RJ_ARRAY_SIZE(want));
	for (uint32_t i = 0; i < f->run_count; i++) {
		const struct rj_wire_run run = run_at(f, i);

		assert_memory_equal(&run, &want[i], sizeof(run));
	}
	assert_int_equal(f->pages[RJ_RUN_RAW], 4);
	assert_int_equal(f->pages[RJ_RUN_ZSTD], 0);
	deliver(s);
	add(s, 10, 90, RJ_RUN_ZSTD);
	deliver(s);
	expect_equal(s, 1, 5);
	expect_equal(s, 7, 2);
	expect_equal(s, 10, 90);
	assert_int_equal(s->payload_bytes, 94 * RAMJET_PAGE_BYTES);
	assert_int_equal(rj_counter(&s->counters.zstd_refused_pages), 94);
	assert_true(rj_counter(&s->counters.zstd_out_bytes) ==
		    94 * RAMJET_PAGE_BYTES);
}

/* The guest writes on: what was looked at is what comes. */
static void what_is_compressed_is_a_copy(void **state)
{
	struct scene *s = *state;
	uint8_t *was = malloc(40 * (size_t)RAMJET_PAGE_BYTES);

	open(s, 1, false);
	for (uint64_t page = 0; page < 40; page++)
		(page < 20 ? write_text : write_noise)(s, page);
	memcpy(was, s->source, 40 * (size_t)RAMJET_PAGE_BYTES);
	for (uint64_t page = 0; page < 40; page++) {
		add(s, page, 1, RJ_RUN_ZSTD);
		memset(page_at(s, page), 0xee, RAMJET_PAGE_BYTES);
	}
	deliver(s);
	memcpy(s->source, was, 40 * (size_t)RAMJET_PAGE_BYTES);
	expect_equal(s, 0, 40);
	free(was);
}

/* Whoever has copied pages already (to hash them, say) has them compressed from
 * there. */
static void copies_are_not_copied_again(void **state)
{
	struct scene *s = *state;
	struct rj_out_frame *f;
	uint8_t *own[4];

	open(s, 1, false);
	for (uint64_t page = 0; page < 8; page++)
		write_text(s, page);
	f = filling(s);
	for (unsigned i = 0; i < 4; i++)
		own[i] = rj_out_frame_own(f, page_at(s, 2 * i), 1);
	/* Not in the order in which they lie. */
	add_from(s, own[0], 0, 1, RJ_RUN_ZSTD);
	add_from(s, own[2], 4, 1, RJ_RUN_ZSTD);
	add_from(s, own[3], 6, 1, RJ_RUN_ZSTD);
	assert_int_equal(f->own_pages, 4);
	deliver(s);
	for (uint64_t page = 0; page < 8; page += page ? 2 : 4)
		expect_equal(s, page, 1);
	/* They stay as long as the frame is not sent. */
	assert_int_equal(f->own_pages, 4);
	assert_memory_equal(own[1], page_at(s, 2), RAMJET_PAGE_BYTES);
}

/* Room of the frame's own is for what did not become smaller. */
static void a_frame_holds_more_pages_than_its_payload(void **state)
{
	struct scene *s = *state;

	open(s, 1, false);
	for (uint64_t page = 0; page < PAGES; page++)
		write_text(s, page);
	add(s, 0, PAGES, RJ_RUN_ZSTD);
	assert_int_equal(s->sent, 0);
	deliver(s);
	expect_equal(s, 0, PAGES);
	assert_true(s->payload_bytes < PAGES * RAMJET_PAGE_BYTES / 2);
}

static void small_frames_stay_small(void **state)
{
	struct scene *s = *state;

	open(s, 1, false);
	for (unsigned i = 0; i < RJ_CODEC_FRAMES; i++)
		s->frames[i].payload_max = 5 * RAMJET_PAGE_BYTES;
	for (uint64_t page = 0; page < 100; page++)
		(page % 16 < 8 ? write_text : write_noise)(s, page);
	for (uint64_t page = 0; page < 100; page++)
		add(s, page, 1, page % 3 ? RJ_RUN_ZSTD : RJ_RUN_RAW);
	deliver(s);
	expect_equal(s, 0, 100);
	assert_true(s->sent > 5);
}

static void a_full_table_ends_the_frame(void **state)
{
	struct scene *s = *state;

	open(s, 1, false);
	for (uint64_t page = 0; page < PAGES; page++)
		(page % 64 < 40 ? write_text : write_noise)(s, page);
	for (uint64_t page = 0; page < PAGES; page++) {
		if (page % 2)
			memset(page_at(s, page), 0, RAMJET_PAGE_BYTES);
		add(s, page, 1, page % 2 ? RJ_RUN_ZERO : RJ_RUN_ZSTD);
	}
	assert_int_equal(s->sent, 1);
	deliver(s);
	expect_equal(s, 0, PAGES);
}

static void the_level_may_change_at_any_time(void **state)
{
	static const int32_t levels[] = { 3, -5, RJ_LEVEL_OFF, 1, 19, 0 };
	struct scene *s = *state;

	open(s, 3, false);
	for (uint64_t page = 0; page < 200; page++) {
		write_text(s, page);
		s->from.level = levels[page / 7 % RJ_ARRAY_SIZE(levels)];
		add(s, page, 1,
		    s->from.level == RJ_LEVEL_OFF ? RJ_RUN_RAW : RJ_RUN_ZSTD);
	}
	deliver(s);
	expect_equal(s, 0, 200);
}

/* Each level has all its memory from the beginning. */
static void every_level_compresses(void **state)
{
	struct scene *s = *state;

	for (int32_t level = -7; level <= 22; level++) {
		open(s, level, false);
		for (uint64_t page = 0; page < 40; page++)
			write_text(s, page);
		add(s, 0, 40, RJ_RUN_ZSTD);
		deliver(s);
		expect_equal(s, 0, 40);
		assert_int_equal(rj_counter(&s->counters.zstd_refused_pages),
				 0);
		rj_page_codec_done(&s->from);
	}
}

/* One way, by a group's payload, which stands before what is between its pages. */
static void what_was_read_is_not_written_over(void **state)
{
	struct scene *s = *state;
	struct rj_out_frame *f;
	uint8_t *staged;

	open(s, 1, true);
	assert_int_equal(rj_page_codec_stage(&s->from, &s->err), 0);
	f = filling(s);
	staged = rj_out_frame_staging(f, 0);
	for (uint64_t page = 0; page < 34; page++)
		(page % 4 ? write_noise : write_text)(s, page);
	memcpy(staged, s->source, (size_t)34 * RAMJET_PAGE_BYTES);
	for (uint64_t page = 0; page < 34; page++) {
		(void)rj_out_frame_add(
			f, 0, staged + page * RAMJET_PAGE_BYTES, page, 1,
			page == 1 || page == 20 ? RJ_RUN_RAW : RJ_RUN_ZSTD);
		f->staged_pages = (uint32_t)page + 1;
	}
	deliver(s);
	assert_true(s->pages[RJ_RUN_ZSTD] + s->pages[RJ_RUN_JOINED] > 20);
	expect_equal(s, 0, 34);
}

/* ---- any mixture ------------------------------------------------------------ */

static void add_mixture(struct scene *s)
{
	for (uint64_t page = next_random(s) % 5; page < PAGES - 70;) {
		uint32_t count = 1 + (uint32_t)next_random(s) % 3;
		enum rj_run_kind kind = RJ_RUN_ZSTD;

		if (next_random(s) % 16 == 0)
			count = 1 + (uint32_t)next_random(s) % 70;
		switch (next_random(s) % 8) {
		case 0:
			kind = RJ_RUN_ZERO;
			break;
		case 1:
			kind = RJ_RUN_RAW;
			break;
		}
		for (uint32_t i = 0; i < count; i++)
			if (kind == RJ_RUN_ZERO)
				memset(page_at(s, page + i), 0,
				       RAMJET_PAGE_BYTES);
			else
				(next_random(s) % 4 ? write_text
						    : write_noise)(s, page + i);
		add(s, page, count, kind);
		page += count + (next_random(s) % 3 ? 0 : next_random(s) % 9);
	}
	deliver(s);
	/* What was left out is as it was at both ends. */
	expect_equal(s, 0, PAGES);
}

static void mix(struct scene *s)
{
	for (unsigned i = 0; i < 12; i++) {
		for (unsigned k = 0; k < RJ_CODEC_FRAMES; k++)
			s->frames[k].payload_max =
				i % 3 ? RJ_OUT_PAYLOAD_BYTES
				      : (1 + (uint32_t)next_random(s) % 60) *
						RAMJET_PAGE_BYTES;
		add_mixture(s);
	}
	assert_true(s->pages[RJ_RUN_JOINED] > 1000);
	assert_true(s->pages[RJ_RUN_RAW] > 1000);
	assert_true(s->pages[RJ_RUN_ZERO] > 100);
}

static void any_mixture_arrives(void **state)
{
	struct scene *s = *state;

	open(s, -1, false);
	mix(s);
}

static void any_mixture_arrives_one_way(void **state)
{
	struct scene *s = *state;

	open(s, -1, true);
	mix(s);
}

static void any_mixture_arrives_where_nothing_is_mapped(void **state)
{
	struct scene *s = *state;

	open(s, -1, false);
	s->own.ram = &s->ram;
	s->block.host = NULL;
	s->block.foreign = &ops_memory_ops;
	s->block.foreign_user = &s->own;
	mix(s);
	/* A call a group, and one a frame for what is raw. */
	assert_true(atomic_load(&s->own.calls[OPS_WRITE]) <
		    s->sent + rj_counter(&s->counters.zstd_in_bytes) /
				      RAMJET_PAGE_BYTES / 10);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_group_ends_when_it_is_full),
		CASE(scattered_pages_are_compressed_together),
		CASE(what_does_not_become_smaller_goes_raw),
		CASE(what_is_compressed_is_a_copy),
		CASE(copies_are_not_copied_again),
		CASE(a_frame_holds_more_pages_than_its_payload),
		CASE(small_frames_stay_small),
		CASE(a_full_table_ends_the_frame),
		CASE(what_was_read_is_not_written_over),
		CASE(the_level_may_change_at_any_time),
		CASE(every_level_compresses),
		CASE(any_mixture_arrives),
		CASE(any_mixture_arrives_one_way),
		CASE(any_mixture_arrives_where_nothing_is_mapped),
	};

	return cmocka_run_group_tests_name("grouping", tests, NULL, NULL);
}
