/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages that are not mapped here get into frames. The memory is an array that the
 * VMM keeps in another order. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/page/run_table.h"
#include "engine/send/staging.h"

#define CHUNKS 5u
#define PAGES  (CHUNKS * RJ_CHUNK_PAGES)
#define BLOCK  4u

struct array {
	uint8_t *pages;
	unsigned calls, fails_at;
	size_t ranges; /* of the last call */
	const void *data;
};

static uint8_t *at(const struct array *array, uint64_t page)
{
	return array->pages + (PAGES - 1 - page) * RAMJET_PAGE_BYTES;
}

static int array_read(void *user, const struct ramjet_memory_range *ranges,
		      size_t count, void *data, struct ramjet_error *err)
{
	struct array *array = user;
	uint8_t *to = data;

	(void)err;
	array->ranges = count;
	array->data = data;
	if (++array->calls == array->fails_at)
		return -EIO;
	for (size_t i = 0; i < count; i++)
		for (uint64_t o = 0; o < ranges[i].bytes;
		     o += RAMJET_PAGE_BYTES) {
			memcpy(to,
			       at(array,
				  (ranges[i].offset + o) / RAMJET_PAGE_BYTES),
			       RAMJET_PAGE_BYTES);
			to += RAMJET_PAGE_BYTES;
		}
	return 0;
}

static const struct ramjet_memory_ops ops = {
	RAMJET_MEMORY_OPS_INIT,
	.name = "mirror",
	.read = array_read,
};

struct scene {
	struct array array;
	struct rj_block block;
	struct rj_page_codec codec;
	struct rj_out_frame frames[RJ_CODEC_FRAMES];
	struct rj_staging staging;
	struct rj_claim claim;
	bool seen[PAGES];
};

static void open(struct scene *s, bool checked)
{
	rj_page_codec_init(&s->codec, RJ_OUT_PAYLOAD_BYTES);
	if (checked)
		assert_int_equal(rj_page_codec_copy(&s->codec, NULL), 0);
	assert_int_equal(rj_page_codec_stage(&s->codec, NULL), 0);
	for (unsigned i = 0; i < RJ_CODEC_FRAMES; i++)
		rj_out_frame_init(&s->frames[i], &s->codec, i);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	*state = s;
	s->array.pages =
		aligned_alloc(RAMJET_PAGE_BYTES, PAGES * RAMJET_PAGE_BYTES);
	assert_non_null(s->array.pages);
	memset(s->array.pages, 0, PAGES * RAMJET_PAGE_BYTES);
	s->block = (struct rj_block){
		.name = "ram",
		.bytes = PAGES * RAMJET_PAGE_BYTES,
		.page_count = PAGES,
		.foreign = &ops,
		.foreign_user = &s->array,
	};
	s->claim.block = BLOCK;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_page_codec_done(&s->codec);
	free(s->array.pages);
	free(s);
	return 0;
}

static void fill(struct scene *s, uint64_t page)
{
	memset(at(&s->array, page), (int)(page % 251) + 1, RAMJET_PAGE_BYTES);
}

/* Pages `first`, `first` + step, ... of the chunk are dirty. */
static void claim(struct scene *s, uint64_t chunk, unsigned first,
		  unsigned step)
{
	s->claim.first_page = chunk * RJ_CHUNK_PAGES;
	memset(s->claim.words, 0, sizeof(s->claim.words));
	s->claim.pages = 0;
	for (unsigned i = first; i < RJ_CHUNK_PAGES; i += step) {
		s->claim.words[i / 64] |= UINT64_C(1) << i % 64;
		s->claim.pages++;
	}
}

static int add(struct scene *s, unsigned frame, uint64_t *from)
{
	return rj_staging_add(&s->staging, &s->frames[frame], &s->block,
			      &s->claim, from, NULL);
}

/* The page comes, and what comes is what it is. */
static void expect_page(struct scene *s, uint64_t page, const uint8_t *content)
{
	static const uint8_t zero[RAMJET_PAGE_BYTES];

	assert_false(s->seen[page]);
	s->seen[page] = true;
	assert_memory_equal(at(&s->array, page), content ? content : zero,
			    RAMJET_PAGE_BYTES);
}

/* As a target would take it. Returns its pages. */
static uint64_t take(struct scene *s, unsigned index)
{
	struct rj_out_frame *frame = &s->frames[index];
	const uint8_t *table = frame->head + RJ_HEADER_BYTES;
	uint8_t *payload = malloc(RJ_OUT_PAYLOAD_BYTES), *next = payload;
	uint64_t next_page = 0, pages = 0;
	struct rj_frame header = { 0 };
	size_t bytes = 0;

	rj_out_frame_seal(frame, 1);
	assert_int_equal(rj_frame_decode(frame->head, &header, NULL), 0);
	assert_int_equal(rj_table_check(&header, table, PAGES, NULL), 0);
	assert_in_range(header.payload_bytes, 0, frame->payload_max);
	for (unsigned i = 1; i < frame->iov_count; i++) {
		memcpy(payload + bytes, frame->iov[i].iov_base,
		       frame->iov[i].iov_len);
		bytes += frame->iov[i].iov_len;
	}
	assert_int_equal(bytes, header.payload_bytes);
	if (header.flags & RJ_FLAG_CHECKED)
		assert_true(XXH3_64bits(payload, bytes) == header.payload_sum);
	for (uint32_t i = 0; i < header.run_count; i++) {
		struct rj_wire_run run;

		assert_int_equal(
			rj_run_decode(table, i, PAGES, &next_page, &run, NULL),
			0);
		for (uint64_t k = 0; k < run.count; k++, pages++) {
			const bool raw = run.kind == RJ_RUN_RAW;

			expect_page(s, run.page + k, raw ? next : NULL);
			next += raw ? RAMJET_PAGE_BYTES : 0;
		}
	}
	free(payload);
	rj_out_frame_reset(frame);
	return pages;
}

static void a_claim_is_one_call(void **state)
{
	struct scene *s = *state;
	uint64_t from = 0;

	open(s, false);
	for (unsigned i = 0; i < RJ_CHUNK_PAGES; i += 3)
		fill(s, RJ_CHUNK_PAGES + i);
	claim(s, 1, 1, 2);
	assert_int_equal(add(s, 0, &from), 0);
	assert_int_equal(s->array.calls, 1);
	assert_int_equal(s->array.ranges, RJ_CHUNK_PAGES / 2);
	assert_int_equal((uintptr_t)s->array.data % RAMJET_PAGE_BYTES, 0);
	assert_int_equal(take(s, 0), RJ_CHUNK_PAGES / 2);
}

/* What is zero takes no room: the next batch is read over it. */
static void zeros_use_up_nothing(void **state)
{
	struct scene *s = *state;
	uint64_t from = 0;

	open(s, false);
	fill(s, 0);
	claim(s, 0, 0, 1);
	assert_int_equal(add(s, 0, &from), 0);
	assert_int_equal(s->frames[0].staged_pages, 1);
	for (uint64_t chunk = 1; chunk < CHUNKS; chunk++) {
		fill(s, chunk * RJ_CHUNK_PAGES + 10);
		claim(s, chunk, 0, 1);
		from = 0;
		assert_int_equal(add(s, 0, &from), 0);
	}
	assert_int_equal(take(s, 0), PAGES);
}

/* Frames in turn, as a sender fills them: none is touched while it may still be on
 * its way. */
static void frames_alternate(struct scene *s)
{
	uint8_t *before = malloc(RJ_OUT_PAYLOAD_BYTES);
	const uint8_t *flying = NULL; /* staging of the frame before */
	uint64_t pages = 0;
	unsigned filling = 0;

	for (unsigned i = 0; i < PAGES; i++)
		if (i % 9)
			fill(s, i);
	for (uint64_t chunk = 0; chunk < CHUNKS; chunk++) {
		uint64_t from = 0;

		claim(s, chunk, (unsigned)chunk, 1);
		while (add(s, filling, &from) > 0) {
			if (flying)
				assert_memory_equal(before, flying,
						    RJ_OUT_PAYLOAD_BYTES);
			pages += take(s, filling);
			flying = rj_out_frame_staging(&s->frames[filling], 0);
			memcpy(before, flying, RJ_OUT_PAYLOAD_BYTES);
			filling = !filling;
		}
	}
	pages += take(s, filling);
	/* Each chunk began a page later. */
	assert_int_equal(pages, PAGES - (0 + 1 + 2 + 3 + 4));
	free(before);
}

static void frames_are_filled_in_turn(void **state)
{
	open(*state, false);
	frames_alternate(*state);
}

static void small_frames_too(void **state)
{
	struct scene *s = *state;

	open(s, false);
	s->frames[0].payload_max = s->frames[1].payload_max = 64u << 10;
	frames_alternate(s);
}

/* What is sent is what was summed, from the same memory. */
static void checked_frames_are_summed_where_they_lie(void **state)
{
	struct scene *s = *state;

	open(s, true);
	assert_ptr_equal(s->codec.staging, s->codec.copies);
	frames_alternate(s);
}

/* As many pages are read as the table has room for, should each be a run of two
 * entries: of 6, for 3, then 1 and 1, and one is left. */
static void a_full_table_sends_the_frame_first(void **state)
{
	struct scene *s = *state;
	uint64_t from = 0;
	uint32_t page;

	open(s, false);
	for (page = 0; page < 2 * (RJ_OUT_RUNS_MAX - 6); page += 2)
		assert_int_equal(rj_out_frame_add(&s->frames[0], BLOCK,
						  at(&s->array, page), page, 1,
						  RJ_RUN_ZERO),
				 1);
	for (page = 0; page < PAGES; page += 2)
		fill(s, page);
	memset(s->array.pages +
		       (PAGES - 2 * RJ_OUT_RUNS_MAX) * RAMJET_PAGE_BYTES,
	       0, 2 * RJ_OUT_RUNS_MAX * (size_t)RAMJET_PAGE_BYTES);
	claim(s, CHUNKS - 1, 0, 1);
	assert_int_equal(add(s, 0, &from), 1);
	assert_int_equal(s->frames[0].run_count, RJ_OUT_RUNS_MAX - 1);
	assert_int_equal(from, 5);
	assert_int_equal(s->array.calls, 3);
	(void)take(s, 0);
	assert_int_equal(add(s, 0, &from), 0);
	assert_int_equal(take(s, 0), RJ_CHUNK_PAGES - 5);
}

static void a_frame_is_of_one_block(void **state)
{
	struct scene *s = *state;
	uint64_t from = 0;

	open(s, false);
	fill(s, 5);
	claim(s, 0, 5, RJ_CHUNK_PAGES);
	assert_int_equal(add(s, 0, &from), 0);
	s->claim.block = BLOCK + 1;
	from = 0;
	assert_int_equal(add(s, 0, &from), 1);
	assert_int_equal(s->array.calls, 1);
	assert_int_equal(take(s, 0), 1);
}

static void a_failed_read_is_told(void **state)
{
	struct ramjet_error err = { 0 };
	struct scene *s = *state;
	uint64_t from = 0;

	open(s, false);
	s->array.fails_at = 1;
	claim(s, 0, 0, 1);
	assert_int_equal(rj_staging_add(&s->staging, &s->frames[0], &s->block,
					&s->claim, &from, &err),
			 -EIO);
	assert_non_null(strstr(err.message, "block ram: its memory (mirror)"));
}

#define STAGING_TEST(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGING_TEST(a_claim_is_one_call),
		STAGING_TEST(zeros_use_up_nothing),
		STAGING_TEST(frames_are_filled_in_turn),
		STAGING_TEST(small_frames_too),
		STAGING_TEST(checked_frames_are_summed_where_they_lie),
		STAGING_TEST(a_full_table_sends_the_frame_first),
		STAGING_TEST(a_frame_is_of_one_block),
		STAGING_TEST(a_failed_read_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
