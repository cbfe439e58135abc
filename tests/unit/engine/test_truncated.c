/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole stream, as a source writes it to a file, cut off or damaged at many
 * places: the target refuses it and never starts its guest.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/wire/wire.h"
#include "tests/unit/engine/move.h"

#define STREAM_MAX (1u << 20)

struct scene {
	struct move move;
	uint8_t *stream;
	size_t bytes;
	size_t frames[256]; /* where each begins; the end as well */
	unsigned frame_count;
};

static void find_frames(struct scene *s)
{
	size_t at = 0;

	while (at < s->bytes) {
		struct rj_frame frame;

		assert_in_range(s->frame_count, 0, 254);
		s->frames[s->frame_count++] = at;
		assert_int_equal(rj_frame_decode(s->stream + at, &frame, NULL),
				 0);
		at += RJ_HEADER_BYTES + frame.run_count * RJ_RUN_BYTES +
		      frame.payload_bytes;
	}
	assert_int_equal(at, s->bytes);
	s->frames[s->frame_count] = at;
}

static char *image_path(const struct scene *s, char path[128])
{
	(void)snprintf(path, 128, "%s/image", s->move.folder);
	return path;
}

/* A short one: 32 pages, 70 bytes of device state, digests. */
static int setup(void **state)
{
	const struct small_vm_options is = {
		.bytes = { 24 * RAMJET_PAGE_BYTES, 8 * RAMJET_PAGE_BYTES },
		.state_bytes = 70,
	};
	struct scene *s = calloc(1, sizeof(*s));
	char path[128];
	FILE *file;

	*state = s;
	s->stream = malloc(STREAM_MAX);
	move_init(&s->move, &is);
	move_begin(&s->move, MOVE_FILE);
	move_await(&s->move);
	move_expect_done(&s->move);
	small_vm_expect_last(&s->move.target, RAMJET_STATE_COMPLETED);
	small_vm_power_off(&s->move.target);
	atomic_store(&s->move.target.calls[VM_START], 0);
	file = fopen(image_path(s, path), "re");
	assert_non_null(file);
	s->bytes = fread(s->stream, 1, STREAM_MAX, file);
	(void)fclose(file);
	find_frames(s);
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	move_done(&s->move);
	free(s->stream);
	free(s);
	return 0;
}

/* The result of reading the first `bytes` of the stream. */
static int read_back(struct scene *s, size_t bytes, struct ramjet_error *err)
{
	struct ramjet_migration *incoming = NULL;
	char path[128], uri[160];
	FILE *file = fopen(image_path(s, path), "we");
	int rc;

	assert_non_null(file);
	assert_int_equal(fwrite(s->stream, 1, bytes, file), bytes);
	assert_int_equal(fclose(file), 0);
	(void)snprintf(uri, sizeof(uri), "file:%s", path);
	assert_int_equal(ramjet_incoming(s->move.target.guest, uri, NULL,
					 &incoming, NULL),
			 0);
	rc = ramjet_wait(incoming, 60000, err);
	if (!ramjet_state_is_final(ramjet_migration_state(incoming)))
		fail_msg("hangs after %zu bytes", bytes);
	ramjet_migration_free(incoming);
	return rc;
}

static void expect_refused(struct scene *s, size_t bytes, const char *what,
			   size_t where)
{
	struct ramjet_error err = { 0 };
	const int rc = read_back(s, bytes, &err);

	if (!rc || !err.message[0])
		fail_msg("%s %zu: taken, \"%s\"", what, where, err.message);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
	small_vm_expect_last(&s->move.target, RAMJET_STATE_FAILED);
}

static void the_stream_as_it_was_is_taken(void **state)
{
	struct scene *s = *state;
	struct ramjet_error err = { 0 };

	if (read_back(s, s->bytes, &err))
		fail_msg("%s", err.message);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 1);
	small_vm_expect_equal(&s->move.source, &s->move.target);
}

/* On every border of a frame, around it, and in the middle. */
static void a_stream_cut_off_anywhere_is_refused(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < s->frame_count; i++) {
		const size_t from = s->frames[i], to = s->frames[i + 1];
		const size_t cuts[] = { from,
					from + 1,
					from + RJ_HEADER_BYTES - 1,
					from + RJ_HEADER_BYTES,
					from + (to - from) / 2,
					to - 1 };

		for (unsigned j = 0; j < 6; j++)
			if (cuts[j] < to)
				expect_refused(s, cuts[j], "cut at", cuts[j]);
	}
}

/* In each header, table and body. */
static void a_stream_damaged_anywhere_is_refused(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < s->frame_count; i++) {
		const size_t from = s->frames[i], to = s->frames[i + 1];
		const size_t step = (to - from) / 20 + 1;

		for (size_t at = from; at < to; at += step) {
			s->stream[at] ^= 0x04;
			expect_refused(s, s->bytes, "damaged at", at);
			s->stream[at] ^= 0x04;
		}
	}
}

/* The first frame of this type with these flags. */
static unsigned find(const struct scene *s, uint8_t type, uint8_t flags)
{
	struct rj_frame frame;

	for (unsigned i = 0; i < s->frame_count; i++) {
		assert_int_equal(
			rj_frame_decode(s->stream + s->frames[i], &frame, NULL),
			0);
		if (frame.type == type && frame.flags == flags)
			return i;
	}
	fail_msg("no frame of type 0x%02x", type);
	return 0;
}

static void a_damaged_page_is_refused_where_it_is(void **state)
{
	struct scene *s = *state;
	const unsigned pages = find(s, RJ_FRAME_PAGES, RJ_FLAG_CHECKED);
	char place[64];
	struct ramjet_error err = { 0 };

	(void)snprintf(place, sizeof(place), "channel 0, offset %zu: PAGES",
		       s->frames[pages]);
	s->stream[s->frames[pages + 1] - 1] ^= 0x04;
	assert_int_equal(read_back(s, s->bytes, &err), -EBADMSG);
	move_expect_error(&err, -EBADMSG, place);
	move_expect_error(&err, -EBADMSG, "the stream is damaged");
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
}

static void bytes_after_the_end_are_refused(void **state)
{
	struct scene *s = *state;
	struct ramjet_error err = { 0 };

	s->stream[s->bytes] = 0;
	assert_int_equal(read_back(s, s->bytes + 1, &err), -EPROTO);
	move_expect_error(&err, -EPROTO, "bytes after COMMIT");
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
}

static void pages_without_a_sum_are_refused(void **state)
{
	struct scene *s = *state;
	uint8_t *at =
		s->stream + s->frames[find(s, RJ_FRAME_PAGES, RJ_FLAG_CHECKED)];
	struct ramjet_error err = { 0 };
	struct rj_frame frame;

	assert_int_equal(rj_frame_decode(at, &frame, NULL), 0);
	frame.flags = 0;
	rj_frame_encode(&frame, at + RJ_HEADER_BYTES, NULL, at);
	assert_int_equal(read_back(s, s->bytes, &err), -EPROTO);
	move_expect_error(&err, -EPROTO, "without a sum");
}

/* As the source would have sent it without frame `i`, or with it twice. */
static void run_spliced(struct scene *s, unsigned i, bool twice)
{
	const size_t from = s->frames[i], to = s->frames[i + 1];
	const size_t bytes = s->bytes;
	uint8_t *whole = malloc(bytes);

	memcpy(whole, s->stream, bytes);
	if (twice)
		memcpy(s->stream + to, whole + from, bytes - from);
	else
		memcpy(s->stream + from, whole + to, bytes - to);
	expect_refused(s, twice ? bytes + (to - from) : bytes - (to - from),
		       twice ? "twice, frame" : "without frame", i);
	memcpy(s->stream, whole, bytes);
	free(whole);
}

static uint8_t type_of(const struct scene *s, unsigned i)
{
	struct rj_frame frame;

	assert_int_equal(
		rj_frame_decode(s->stream + s->frames[i], &frame, NULL), 0);
	return frame.type;
}

static bool is_optional(const struct scene *s, unsigned i)
{
	struct rj_frame frame;

	assert_int_equal(
		rj_frame_decode(s->stream + s->frames[i], &frame, NULL), 0);
	return frame.flags & RJ_FLAG_OPTIONAL;
}

/* A record's piece without bytes, which says that the record begins: with none, or
 * two, it is the same record. */
static bool is_empty_piece(const struct scene *s, unsigned i)
{
	struct rj_frame frame;

	assert_int_equal(
		rj_frame_decode(s->stream + s->frames[i], &frame, NULL), 0);
	return frame.type == RJ_FRAME_STATE && frame.flags & RJ_FLAG_MORE &&
	       !frame.payload_bytes;
}

static void a_stream_with_a_frame_missing_is_refused(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < s->frame_count; i++)
		/* Nobody has to verify, or to say where blocks differ. */
		if (type_of(s, i) != RJ_FRAME_DIGESTS && !is_optional(s, i) &&
		    !is_empty_piece(s, i))
			run_spliced(s, i, false);
}

static void a_stream_with_a_frame_twice_is_refused(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < s->frame_count; i++)
		/* Pages may come twice. */
		if (type_of(s, i) != RJ_FRAME_PAGES && !is_empty_piece(s, i))
			run_spliced(s, i, true);
}

/* As it would be with frame `i` once more, before frame `j`. */
static void expect_copy_refused(struct scene *s, unsigned i, unsigned j,
				const char *part)
{
	const size_t bytes = s->bytes, to = s->frames[j];
	const size_t piece = s->frames[i + 1] - s->frames[i];
	uint8_t *whole = malloc(bytes);
	struct ramjet_error err = { 0 };
	int rc;

	memcpy(whole, s->stream, bytes);
	memcpy(s->stream + to, whole + s->frames[i], piece);
	memcpy(s->stream + to + piece, whole + to, bytes - to);
	rc = read_back(s, bytes + piece, &err);
	memcpy(s->stream, whole, bytes);
	free(whole);
	move_expect_error(&err, -EPROTO, part);
	assert_int_equal(rc, -EPROTO);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
	small_vm_expect_last(&s->move.target, RAMJET_STATE_FAILED);
}

static void what_comes_after_the_final_fence_is_refused(void **state)
{
	struct scene *s = *state;
	const unsigned fence = find(s, RJ_FRAME_FENCE, RJ_FLAG_FINAL);

	expect_copy_refused(s, find(s, RJ_FRAME_PAGES, RJ_FLAG_CHECKED),
			    fence + 1, "PAGES");
	expect_copy_refused(s, find(s, RJ_FRAME_FENCE, 0), fence + 1, "FENCE");
}

static void a_commit_before_the_final_fence_is_refused(void **state)
{
	struct scene *s = *state;
	const unsigned commit = find(s, RJ_FRAME_COMMIT, 0);
	const unsigned fence = find(s, RJ_FRAME_FENCE, RJ_FLAG_FINAL);

	expect_copy_refused(s, commit, fence, "COMMIT");
	expect_copy_refused(s, commit, find(s, RJ_FRAME_STATE, 0), "COMMIT");
}

/* Frame `i` comes twice, and what follows the second is cut off, or damaged. */
static void expect_blamed(struct scene *s, unsigned i, bool damaged,
			  const char *part)
{
	const size_t from = s->frames[i], to = s->frames[i + 1];
	const size_t bytes = s->bytes;
	uint8_t *whole = malloc(bytes);
	struct ramjet_error err = { 0 };
	char place[64];

	memcpy(whole, s->stream, bytes);
	memcpy(s->stream + to, whole + from, bytes - from);
	s->stream[to + (to - from)] ^= damaged;
	(void)!read_back(s, damaged ? bytes : to + (to - from), &err);
	memcpy(s->stream, whole, bytes);
	free(whole);
	(void)snprintf(place, sizeof(place), "offset %zu: ", to);
	move_expect_error(&err, -EPROTO, place);
	move_expect_error(&err, -EPROTO, part);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
}

/* The worker runs ahead of who judges control frames. */
static void the_first_fault_is_named_not_the_end_it_led_to(void **state)
{
	struct scene *s = *state;
	const unsigned device = find(s, RJ_FRAME_STATE, 0);
	const unsigned last = find(s, RJ_FRAME_SWITCHOVER, 0);

	for (unsigned i = 0; i < 40; i++) {
		expect_blamed(s, device, i % 2, "comes a second time");
		expect_blamed(s, last, i % 2, "no place after SWITCHOVER");
	}
}

/* Reading ahead finds the end first; what is wrong comes before it. */
static void the_end_of_a_stream_does_not_hide_what_came_before(void **state)
{
	struct scene *s = *state;
	const unsigned i = find(s, RJ_FRAME_SWITCHOVER, 0);
	uint8_t *at = s->stream + s->frames[i];
	struct rj_frame frame;

	assert_int_equal(rj_frame_decode(at, &frame, NULL), 0);
	frame.round++;
	rj_frame_encode(&frame, NULL, NULL, at);
	for (unsigned turn = 0; turn < 50; turn++) {
		struct ramjet_error err = { 0 };

		assert_int_equal(read_back(s, s->frames[i + 1], &err), -EPROTO);
		move_expect_error(&err, -EPROTO, "SWITCHOVER: names round");
	}
}

#define STREAM_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STREAM_TEST(the_stream_as_it_was_is_taken),
		STREAM_TEST(a_stream_cut_off_anywhere_is_refused),
		STREAM_TEST(a_stream_damaged_anywhere_is_refused),
		STREAM_TEST(a_damaged_page_is_refused_where_it_is),
		STREAM_TEST(the_first_fault_is_named_not_the_end_it_led_to),
		STREAM_TEST(bytes_after_the_end_are_refused),
		STREAM_TEST(pages_without_a_sum_are_refused),
		STREAM_TEST(a_stream_with_a_frame_missing_is_refused),
		STREAM_TEST(a_stream_with_a_frame_twice_is_refused),
		STREAM_TEST(what_comes_after_the_final_fence_is_refused),
		STREAM_TEST(the_end_of_a_stream_does_not_hide_what_came_before),
		STREAM_TEST(a_commit_before_the_final_fence_is_refused),
	};

	return cmocka_run_group_tests_name("truncated", tests, NULL, NULL);
}
