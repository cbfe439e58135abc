/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/receive/populate_ahead.h"
#include "ramjet.h"

#define PAGE        ((size_t)RAMJET_PAGE_BYTES)
#define PIECE_PAGES (RJ_POPULATE_PIECE_BYTES / PAGE)
#define SHORT_PAGES (RJ_POPULATE_RUN_BYTES_MIN / PAGE - 1)
#define PAGES       (16 * PIECE_PAGES)

struct scene {
	uint8_t *memory;
	struct rj_populate_ahead ahead;
	struct iovec iov[RJ_POPULATE_RUNS_MAX + 8];
	bool untouched[RJ_POPULATE_RUNS_MAX + 8];
	unsigned count;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	s->memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->memory == MAP_FAILED)
		return -1;
	(void)madvise(s->memory, PAGES * PAGE, MADV_NOHUGEPAGE);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_populate_ahead_stop(&s->ahead);
	(void)munmap(s->memory, PAGES * PAGE);
	free(s);
	return 0;
}

static void start(struct scene *s)
{
	const char *refusal = rj_populate_ahead_refusal();

	if (refusal) {
		printf("# skipped: %s\n", refusal);
		skip();
	}
	assert_int_equal(rj_populate_ahead_start(&s->ahead, 0), 0);
}

static void add(struct scene *s, size_t page, size_t pages, bool untouched)
{
	s->iov[s->count] =
		(struct iovec){ s->memory + page * PAGE, pages * PAGE };
	s->untouched[s->count++] = untouched;
}

static void offer(struct scene *s)
{
	rj_populate_ahead_offer(&s->ahead, s->iov, s->untouched, s->count);
	s->count = 0;
}

static size_t present(const struct scene *s, size_t page, size_t pages)
{
	unsigned char resident[PAGES];
	size_t found = 0;

	assert_int_equal(
		mincore(s->memory + page * PAGE, pages * PAGE, resident), 0);
	for (size_t i = 0; i < pages; i++)
		found += resident[i] & 1;
	return found;
}

static void await_present(const struct scene *s, size_t page, size_t pages)
{
	while (present(s, page, pages) < pages)
		(void)sched_yield();
}

static void all_but_the_first_piece_is_populated(void **state)
{
	struct scene *s = *state;

	start(s);
	add(s, PIECE_PAGES, 5 * PIECE_PAGES + 3, true);
	offer(s);
	await_present(s, 2 * PIECE_PAGES, 4 * PIECE_PAGES + 3);
	assert_int_equal(present(s, 0, PAGES), 4 * PIECE_PAGES + 3);
}

/* Pieces are done in order: when the last is there, so is what was before. */
static void nothing_else_is_populated(void **state)
{
	struct scene *s = *state;

	start(s);
	add(s, 0, PIECE_PAGES, true);                   /* the first piece */
	add(s, 2 * PIECE_PAGES, PIECE_PAGES, false);    /* touched before */
	add(s, 4 * PIECE_PAGES, SHORT_PAGES, true);     /* too short */
	add(s, 6 * PIECE_PAGES, PIECE_PAGES / 2, true); /* wanted */
	offer(s);
	await_present(s, 6 * PIECE_PAGES, PIECE_PAGES / 2);
	assert_int_equal(present(s, 0, PAGES), PIECE_PAGES / 2);
}

static void content_stays(void **state)
{
	struct scene *s = *state;

	start(s);
	memset(s->memory, 7, 3 * PIECE_PAGES * PAGE);
	add(s, 0, 4 * PIECE_PAGES, true);
	offer(s);
	await_present(s, 0, 4 * PIECE_PAGES);
	for (size_t i = 0; i < 4 * PIECE_PAGES * PAGE; i++)
		assert_int_equal(s->memory[i],
				 i < 3 * PIECE_PAGES * PAGE ? 7 : 0);
}

static void frames_of_too_many_runs_are_populated_in_part(void **state)
{
	const size_t pages = RJ_POPULATE_RUN_BYTES_MIN / PAGE;
	struct scene *s = *state;

	start(s);
	add(s, 0, PIECE_PAGES, true);
	/* Every run twice: only where it lies counts. */
	for (unsigned i = 0; i < RJ_POPULATE_RUNS_MAX; i++)
		add(s, PIECE_PAGES + i / 2 * pages, pages, true);
	add(s, PAGES - pages, pages, true);
	offer(s);
	await_present(s, PIECE_PAGES, RJ_POPULATE_RUNS_MAX / 2 * pages);
	rj_populate_ahead_stop(&s->ahead);
	assert_int_equal(present(s, PAGES - pages, pages), 0);
}

static void what_cannot_be_populated_does_not_matter(void **state)
{
	struct scene *s = *state;

	start(s);
	assert_int_equal(mprotect(s->memory, PIECE_PAGES * PAGE, PROT_READ), 0);
	add(s, 8 * PIECE_PAGES, PIECE_PAGES, true);
	add(s, 0, PIECE_PAGES, true);
	add(s, 4 * PIECE_PAGES, PIECE_PAGES, true);
	offer(s);
	await_present(s, 4 * PIECE_PAGES, PIECE_PAGES);
	assert_int_equal(present(s, 0, PIECE_PAGES), 0);
}

/* Stopped at any moment, with all to do or nothing. */
static void it_can_be_stopped(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < 50; i++) {
		start(s);
		if (i % 2) {
			add(s, 0, PAGES, true);
			offer(s);
		}
		rj_populate_ahead_stop(&s->ahead);
		rj_populate_ahead_stop(&s->ahead);
	}
}

static void without_a_thread_offers_are_in_vain(void **state)
{
	struct scene *s = *state;

	add(s, 0, PAGES, true);
	offer(s);
	assert_int_equal(present(s, 0, PAGES), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(all_but_the_first_piece_is_populated),
		TEST(nothing_else_is_populated),
		TEST(content_stays),
		TEST(frames_of_too_many_runs_are_populated_in_part),
		TEST(what_cannot_be_populated_does_not_matter),
		TEST(it_can_be_stopped),
		TEST(without_a_thread_offers_are_in_vain),
	};

	return cmocka_run_group_tests_name("populate_ahead", tests, NULL, NULL);
}
