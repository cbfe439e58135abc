/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dirty/bitmap.h"
#include "engine/receive/first_touch.h"
#include "tests/unit/engine/memfd_block.h"

#define PAGES (3 * RJ_CHUNK_PAGES + 7)

struct scene {
	struct rj_block block;
	struct rj_first_touch touch;
	struct ramjet_error err;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	s->block = memfd_block(PAGES);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_first_touch_done(&s->touch);
	memfd_block_free(&s->block);
	free(s);
	return 0;
}

static void init(struct scene *s)
{
	assert_int_equal(rj_first_touch_init(&s->touch, &s->block, &s->err), 0);
	assert_true(*s->touch.why);
}

static void expect_in_place(struct scene *s, const char *why)
{
	init(s);
	assert_string_equal(s->touch.why, why);
	assert_false(s->touch.by_file);
	assert_false(rj_first_touch_enter(&s->touch));
	rj_first_touch_done(&s->touch);
}

static void untouched_chunks_go_by_the_file(void **state)
{
	struct scene *s = *state;

	s->block.host[RJ_CHUNK_PAGES * RAMJET_PAGE_BYTES] = 1;
	init(s);
	assert_true(rj_first_touch_is_due(&s->touch, 0));
	assert_true(rj_first_touch_is_due(&s->touch, RJ_CHUNK_PAGES - 1));
	assert_false(rj_first_touch_is_due(&s->touch, RJ_CHUNK_PAGES));
	assert_false(rj_first_touch_is_due(&s->touch, RJ_CHUNK_PAGES + 9));
	assert_true(rj_first_touch_is_due(&s->touch, 2 * RJ_CHUNK_PAGES));
	assert_true(rj_first_touch_is_due(&s->touch, PAGES - 1));
	/* Looking touches nothing. */
	assert_int_equal(memfd_block_allocated(&s->block), 1);
}

static void what_comes_by_the_file_does_not_change_the_answer(void **state)
{
	static const uint8_t page[RAMJET_PAGE_BYTES] = { 7 };
	struct scene *s = *state;
	struct iovec part;

	init(s);
	assert_true(rj_first_touch_is_due(&s->touch, 0));
	part = (struct iovec){ s->block.host, sizeof(page) };
	assert_int_equal(
		rj_first_touch_write(&s->touch, &part, 1, page, &s->err), 0);
	assert_true(rj_first_touch_is_due(&s->touch, 1));
}

static void parts_are_written_where_they_lie_and_nowhere_else(void **state)
{
	struct scene *s = *state;
	uint8_t *data = malloc(4 * RAMJET_PAGE_BYTES);
	struct iovec parts[2];

	assert_non_null(data);
	memset(data, 0x11, RAMJET_PAGE_BYTES);
	memset(data + RAMJET_PAGE_BYTES, 0x22, 3 * RAMJET_PAGE_BYTES);
	init(s);
	parts[0] = (struct iovec){ s->block.host, RAMJET_PAGE_BYTES };
	parts[1] = (struct iovec){
		s->block.host + (PAGES - 3) * RAMJET_PAGE_BYTES,
		3 * RAMJET_PAGE_BYTES,
	};
	assert_int_equal(
		rj_first_touch_write(&s->touch, parts, 2, data, &s->err), 0);
	assert_memory_equal(parts[0].iov_base, data, parts[0].iov_len);
	assert_memory_equal(parts[1].iov_base, data + RAMJET_PAGE_BYTES,
			    parts[1].iov_len);
	assert_int_equal(memfd_block_allocated(&s->block), 4);
	free(data);
}

static void a_write_that_fails_names_the_block(void **state)
{
	static const uint8_t page[RAMJET_PAGE_BYTES];
	struct scene *s = *state;
	struct iovec part = { s->block.host + 5 * RAMJET_PAGE_BYTES,
			      sizeof(page) };
	const int saved = s->block.fd;

	init(s);
	s->block.fd = -1;
	assert_int_equal(
		rj_first_touch_write(&s->touch, &part, 1, page, &s->err),
		-EBADF);
	s->block.fd = saved;
	assert_non_null(
		strstr(s->err.message, "block ram0, offset 20480: writing"));
}

static void enough_workers_at_a_time(void **state)
{
	struct scene *s = *state;

	init(s);
	for (unsigned i = 0; i < RJ_FIRST_TOUCH_WORKERS; i++)
		assert_true(rj_first_touch_enter(&s->touch));
	assert_false(rj_first_touch_enter(&s->touch));
	assert_false(rj_first_touch_enter(&s->touch));
	rj_first_touch_leave(&s->touch);
	assert_true(rj_first_touch_enter(&s->touch));
	assert_false(rj_first_touch_enter(&s->touch));
}

/* ---- where writing to the file would not do ---- */

static void private_memory_is_received_in_place(void **state)
{
	struct scene *s = *state;

	/* The file's content until written: what is written to the file would
	 * show, and what was written to the mapping would hide it. */
	assert_ptr_equal(mmap(s->block.host, RAMJET_PAGE_BYTES,
			      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
			      s->block.fd, (off_t)s->block.fd_offset),
			 s->block.host);
	expect_in_place(s, "not a shared mapping of the block's fd");
}

static void another_file_is_not_written(void **state)
{
	struct scene *s = *state;
	const int saved = s->block.fd;

	s->block.fd = memfd_create("other", MFD_CLOEXEC);
	assert_int_equal(ftruncate(s->block.fd, (off_t)s->block.bytes * 2), 0);
	expect_in_place(s, "not a shared mapping of the block's fd");
	(void)close(s->block.fd);
	s->block.fd = -1;
	expect_in_place(s, "not a shared mapping of the block's fd");
	s->block.fd = saved;
	s->block.fd_offset += RAMJET_PAGE_BYTES;
	expect_in_place(s, "not a shared mapping of the block's fd");
}

static void a_file_that_is_too_short_is_not_grown(void **state)
{
	struct scene *s = *state;

	assert_int_equal(ftruncate(s->block.fd, (off_t)(s->block.fd_offset +
							s->block.bytes - 1)),
			 0);
	expect_in_place(s, "the file ends before the block");
}

static void huge_pages_are_received_in_place(void **state)
{
	struct scene *s = *state;

	s->block.page_bytes = 2u << 20;
	expect_in_place(s, "huge pages");
}

static void a_sealed_file_is_received_in_place(void **state)
{
	struct scene *s = *state;

	assert_int_equal(fcntl(s->block.fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE),
			 0);
	expect_in_place(s, "the file is sealed against writing");
}

static void a_file_open_otherwise_is_received_in_place(void **state)
{
	struct scene *s = *state;
	const int saved = s->block.fd;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", saved);
	s->block.fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(s->block.fd >= 0);
	expect_in_place(s, "the file is not open for reading and writing");
	(void)close(s->block.fd);
	s->block.fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	assert_true(s->block.fd >= 0);
	expect_in_place(s, "the file is open with O_APPEND or O_DIRECT");
	(void)close(s->block.fd);
	s->block.fd = saved;
}

static void a_limit_of_file_sizes_is_kept_clear_of(void **state)
{
	struct scene *s = *state;
	struct rlimit saved, low;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &saved), 0);
	low = saved;
	low.rlim_cur = s->block.fd_offset + s->block.bytes - 1;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	expect_in_place(s, "RLIMIT_FSIZE is below the block's end");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &saved), 0);
}

/* ---- the report ---- */

static const struct ramjet_memory_ops nobodys;

static void the_summary_names_the_block_that_stands_out(void **state)
{
	struct scene *s = *state;
	struct rj_first_touch both[2];
	struct rj_block other = s->block;
	struct rj_first_touch_summary summary;

	other.page_bytes = 2u << 20;
	assert_int_equal(rj_first_touch_init(&both[0], &s->block, &s->err), 0);
	assert_int_equal(rj_first_touch_init(&both[1], &other, &s->err), 0);
	summary = rj_first_touch_summary(both, 1);
	assert_string_equal(summary.chosen, "by file");
	assert_ptr_equal(summary.example, &both[0]);
	summary = rj_first_touch_summary(both, 2);
	assert_string_equal(summary.chosen, "mixed");
	assert_ptr_equal(summary.example, &both[1]);
	summary = rj_first_touch_summary(&both[1], 1);
	assert_string_equal(summary.chosen, "in place");
	rj_first_touch_done(&both[1]);
	other.foreign = &nobodys;
	other.host = NULL;
	other.fd = -1;
	assert_int_equal(rj_first_touch_init(&both[1], &other, &s->err), 0);
	assert_false(both[1].by_file || both[1].small_pages);
	summary = rj_first_touch_summary(&both[1], 1);
	assert_string_equal(summary.chosen, "by operations");
	summary = rj_first_touch_summary(both, 2);
	assert_string_equal(summary.chosen, "mixed");
	assert_ptr_equal(summary.example, &both[1]);
	rj_first_touch_done(&both[0]);
	rj_first_touch_done(&both[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(untouched_chunks_go_by_the_file),
		TEST(what_comes_by_the_file_does_not_change_the_answer),
		TEST(parts_are_written_where_they_lie_and_nowhere_else),
		TEST(a_write_that_fails_names_the_block),
		TEST(enough_workers_at_a_time),
		TEST(private_memory_is_received_in_place),
		TEST(another_file_is_not_written),
		TEST(a_file_that_is_too_short_is_not_grown),
		TEST(huge_pages_are_received_in_place),
		TEST(a_sealed_file_is_received_in_place),
		TEST(a_file_open_otherwise_is_received_in_place),
		TEST(a_limit_of_file_sizes_is_kept_clear_of),
		TEST(the_summary_names_the_block_that_stands_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
