/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/receive/write_behind.h"
#include "tests/unit/engine/memfd_block.h"

#define PAGES 600u

struct scene {
	struct rj_block block;
	struct rj_first_touch touch;
	struct rj_write_behind behind;
	struct ramjet_error err;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	s->block = memfd_block(PAGES);
	*state = s;
	if (rj_first_touch_init(&s->touch, &s->block, &s->err))
		return -1;
	return rj_write_behind_start(&s->behind, 0);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_write_behind_stop(&s->behind);
	rj_first_touch_done(&s->touch);
	memfd_block_free(&s->block);
	free(s);
	return 0;
}

static struct iovec part(const struct scene *s, uint64_t page, size_t pages)
{
	return (struct iovec){ s->block.host + page * RAMJET_PAGE_BYTES,
			       pages * RAMJET_PAGE_BYTES };
}

static int submit(struct scene *s, const struct iovec *parts, unsigned count,
		  const uint8_t *data)
{
	const struct rj_write_job job = { &s->touch, parts, count, data };

	return rj_write_behind_submit(&s->behind, &job, &s->err);
}

static void what_is_flushed_is_there(void **state)
{
	static uint8_t data[2][3 * RAMJET_PAGE_BYTES];
	struct iovec parts[2][2];
	struct scene *s = *state;

	for (uint64_t i = 0; i < PAGES / 6; i++) {
		parts[i % 2][0] = part(s, 6 * i, 1);
		parts[i % 2][1] = part(s, 6 * i + 3, 2);
		/* The other buffer may still be on its way. */
		memset(data[i % 2], (int)i + 1, sizeof(data[0]));
		assert_int_equal(submit(s, parts[i % 2], 2, data[i % 2]), 0);
		if (i % 7 == 0)
			assert_int_equal(
				rj_write_behind_flush(&s->behind, &s->err), 0);
	}
	assert_int_equal(rj_write_behind_flush(&s->behind, &s->err), 0);
	for (uint64_t page = 0; page < PAGES; page++) {
		const uint64_t k = page % 6;
		const bool written = k == 0 || k == 3 || k == 4;

		assert_int_equal(s->block.host[page * RAMJET_PAGE_BYTES],
				 written ? page / 6 + 1 : 0);
	}
}

/* The block's file is closed under it: the first error stays. */
static void an_error_is_told_and_stays(void **state)
{
	static const uint8_t data[RAMJET_PAGE_BYTES];
	struct scene *s = *state;
	const struct iovec one = part(s, 7, 1);
	const int fd = s->block.fd;

	s->block.fd = -1;
	assert_int_equal(submit(s, &one, 1, data), 0);
	assert_int_equal(rj_write_behind_flush(&s->behind, &s->err), -EBADF);
	assert_non_null(strstr(s->err.message, "offset 28672: writing"));
	s->block.fd = fd;
	memset(&s->err, 0, sizeof(s->err));
	assert_int_equal(submit(s, &one, 1, data), -EBADF);
	assert_int_equal(rj_write_behind_flush(&s->behind, NULL), -EBADF);
}

static void the_last_write_is_done_when_it_has_stopped(void **state)
{
	static uint8_t data[PAGES * RAMJET_PAGE_BYTES];
	struct scene *s = *state;
	const struct iovec all = part(s, 0, PAGES);

	memset(data, 9, sizeof(data));
	assert_int_equal(submit(s, &all, 1, data), 0);
	rj_write_behind_stop(&s->behind);
	assert_memory_equal(s->block.host, data, sizeof(data));
	rj_write_behind_stop(&s->behind);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_flushed_is_there),
		TEST(an_error_is_told_and_stays),
		TEST(the_last_write_is_done_when_it_has_stopped),
	};

	return cmocka_run_group_tests_name("write_behind", tests, NULL, NULL);
}
