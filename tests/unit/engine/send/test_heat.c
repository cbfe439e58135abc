/* SPDX-License-Identifier: BSD-3-Clause */
/* Which pages are hot, and that none is lost: at last against a model of single
 * pages. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "engine/send/heat.h"

#define PAGES  1500u
#define BLOCKS 2u

struct scene {
	struct rj_block blocks[BLOCKS]; /* 1500 pages, and one */
	struct rj_heat heat;
	struct rj_bitmap next[BLOCKS];
	struct rj_bitmap *sinks[BLOCKS];
	struct rj_heat_rules rules;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->blocks[0].page_count = PAGES;
	s->blocks[1].page_count = 1;
	s->rules.room_pages = UINT64_MAX;
	for (unsigned i = 0; i < BLOCKS; i++) {
		assert_int_equal(rj_bitmap_init(&s->next[i],
						s->blocks[i].page_count, NULL),
				 0);
		s->sinks[i] = &s->next[i];
	}
	assert_int_equal(rj_heat_init(&s->heat, s->blocks, BLOCKS, NULL), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_heat_done(&s->heat);
	for (unsigned i = 0; i < BLOCKS; i++)
		rj_bitmap_done(&s->next[i]);
	free(s);
	return 0;
}

/* A collect that finds `count` pages written from `first` on. */
static struct rj_heat_sorted collect(struct scene *s, uint64_t first,
				     uint64_t count)
{
	(void)rj_bitmap_set_run(s->heat.sinks[0], first, count);
	return rj_heat_sort(&s->heat, s->sinks, &s->rules);
}

/* The round goes out. */
static uint64_t sent(struct scene *s)
{
	const uint64_t pages = rj_bitmap_count(&s->next[0]);

	(void)rj_bitmap_clear_run(&s->next[0], 0, PAGES);
	return pages;
}

static void what_is_written_three_times_in_a_row_waits(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(collect(s, 500, 20).due, 20);
		assert_int_equal(sent(s), 20);
	}
	for (unsigned i = 0; i < 5; i++) {
		const struct rj_heat_sorted sorted = collect(s, 500, 20);

		assert_int_equal(sorted.written, 20);
		assert_int_equal(sorted.due, 0);
		assert_int_equal(sent(s), 0);
		assert_int_equal(s->heat.held_pages, 20);
	}
}

static void what_cools_goes_in_turn(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < 3; i++)
		(void)collect(s, 7, 2);
	(void)sent(s);
	/* Not once: */
	assert_int_equal(collect(s, 8, 1).due, 0);
	assert_int_equal(s->heat.held_pages, 2);
	/* twice. */
	assert_int_equal(collect(s, 8, 1).due, 1);
	assert_true(rj_bitmap_test(&s->next[0], 7));
	assert_int_equal(s->heat.held_pages, 1);
	/* And also when nothing is written in its chunk any more. */
	assert_int_equal(collect(s, 1024, 1).due, 1);
	assert_int_equal(collect(s, 1024, 1).due, 1);
	assert_int_equal(s->heat.held_pages, 0);
	assert_true(rj_bitmap_test(&s->next[0], 8));
}

static void what_was_long_ago_does_not_count(void **state)
{
	struct scene *s = *state;

	(void)collect(s, 3, 1);
	(void)collect(s, 3, 1);
	for (unsigned i = 0; i < 4; i++)
		(void)collect(s, 600 + i, 1);
	for (unsigned i = 0; i < 2; i++) {
		(void)sent(s);
		assert_int_equal(collect(s, 3, 1).due, 1);
	}
	(void)sent(s);
	assert_int_equal(collect(s, 3, 1).due, 0);
	assert_int_equal(s->heat.held_pages, 1);
}

static void no_more_than_there_is_room_for(void **state)
{
	struct scene *s = *state;

	s->rules.room_pages = 130;
	for (unsigned i = 0; i < 3; i++) {
		(void)sent(s);
		(void)collect(s, 0, PAGES);
	}
	/* Whole words of 64. */
	assert_int_equal(s->heat.held_pages, 128);
	assert_int_equal(sent(s), PAGES - 128);
	s->rules.room_pages = 0;
	assert_int_equal(collect(s, 0, PAGES).due, PAGES);
	assert_int_equal(s->heat.held_pages, 0);
}

static void in_the_end_all_of_it_goes(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < 3; i++) {
		(void)rj_bitmap_set_run(s->heat.sinks[1], 0, 1);
		(void)collect(s, 0, PAGES);
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		(void)rj_bitmap_clear_run(&s->next[i], 0,
					  s->blocks[i].page_count);
	assert_int_equal(s->heat.held_pages, PAGES + 1);
	(void)rj_bitmap_set_run(&s->next[0], 0, 10);
	assert_int_equal(rj_heat_release(&s->heat, s->sinks), PAGES + 1 - 10);
	assert_int_equal(s->heat.held_pages, 0);
	assert_int_equal(rj_bitmap_count(&s->next[0]), PAGES);
	assert_int_equal(rj_bitmap_count(&s->next[1]), 1);
	assert_int_equal(rj_heat_release(&s->heat, s->sinks), 0);
}

/* It reports what is held back again and again, as it was not rearmed. */
static void a_blind_source_is_tried_now_and_then(void **state)
{
	struct scene *s = *state;
	unsigned went = 0;

	s->rules.blind = true;
	for (unsigned i = 0; i < 3; i++)
		(void)collect(s, 100, 1);
	(void)sent(s);
	for (unsigned i = 0; i < 32; i++) {
		const bool held = s->heat.held_pages > 0;

		/* Of what is held back it says nothing new. */
		assert_int_equal(collect(s, 100, 1).written, !held);
		went += (unsigned)sent(s);
	}
	assert_in_range(went, 2, 12);
}

/* ---- against a model --------------------------------------------------- */

struct model {
	bool written[3][PAGES]; /* of the latest collects, newest first */
	bool held[PAGES], dirty[PAGES];
};

static uint32_t draw(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

/* Most writes go to some pages, and these change with time. */
static void write_some(struct scene *s, struct model *m, uint32_t *seed,
		       unsigned turn)
{
	memmove(m->written[1], m->written[0], 2 * sizeof(m->written[0]));
	memset(m->written[0], 0, sizeof(m->written[0]));
	for (unsigned i = draw(seed) % 400; i > 0; i--) {
		const uint32_t page =
			draw(seed) % 4
				? (turn / 40 * 311 + draw(seed) % 90) % PAGES
				: draw(seed) % PAGES;

		m->written[0][page] = m->dirty[page] = true;
		(void)rj_bitmap_set_run(s->heat.sinks[0], page, 1);
	}
}

static void sort_model(struct model *m)
{
	for (unsigned i = 0; i < PAGES; i++) {
		const unsigned times =
			m->written[0][i] + m->written[1][i] + m->written[2][i];

		m->held[i] = m->dirty[i] &&
			     (times == 3 || (m->held[i] && times == 2));
	}
}

/* All that is dirty is in one of the two. */
static void compare(const struct scene *s, const struct model *m, bool exact)
{
	for (unsigned i = 0; i < PAGES; i++) {
		const bool held = rj_bitmap_test(&s->heat.blocks[0].held, i);
		const bool due = rj_bitmap_test(&s->next[0], i);

		assert_int_equal(held || due, m->dirty[i]);
		if (exact)
			assert_int_equal(held, m->held[i]);
	}
	assert_int_equal(rj_bitmap_count(&s->heat.blocks[0].held),
			 s->heat.held_pages);
	assert_int_equal(rj_bitmap_count(&s->heat.blocks[0].fresh), 0);
}

static void send_some(struct scene *s, struct model *m, uint32_t *seed)
{
	const bool all = draw(seed) % 3;

	for (unsigned i = 0; i < PAGES; i++)
		if (rj_bitmap_test(&s->next[0], i) && (all || draw(seed) % 2)) {
			(void)rj_bitmap_clear_run(&s->next[0], i, 1);
			m->dirty[i] =
				rj_bitmap_test(&s->heat.blocks[0].held, i);
		}
}

static void model_agrees(struct scene *s, bool exact)
{
	struct model m = { 0 };
	uint32_t seed = exact ? 99 : 7;

	for (unsigned turn = 0; turn < 400; turn++) {
		if (!exact) {
			s->rules.room_pages = draw(&seed) % 300;
			s->rules.blind = draw(&seed) % 2;
		}
		write_some(s, &m, &seed, turn);
		(void)rj_heat_sort(&s->heat, s->sinks, &s->rules);
		sort_model(&m);
		compare(s, &m, exact);
		/* A switchover that is called off. */
		if (draw(&seed) % 50 == 0) {
			(void)rj_heat_release(&s->heat, s->sinks);
			memset(m.held, 0, sizeof(m.held));
			compare(s, &m, exact);
			assert_int_equal(s->heat.held_pages, 0);
		}
		send_some(s, &m, &seed);
	}
	(void)rj_heat_release(&s->heat, s->sinks);
	memset(m.held, 0, sizeof(m.held));
	compare(s, &m, true);
}

static void a_model_holds_back_the_same(void **state)
{
	model_agrees(*state, true);
}

static void whatever_the_rules_nothing_is_lost(void **state)
{
	model_agrees(*state, false);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(what_is_written_three_times_in_a_row_waits),
		CASE(what_cools_goes_in_turn),
		CASE(what_was_long_ago_does_not_count),
		CASE(no_more_than_there_is_room_for),
		CASE(in_the_end_all_of_it_goes),
		CASE(a_blind_source_is_tried_now_and_then),
		CASE(a_model_holds_back_the_same),
		CASE(whatever_the_rules_nothing_is_lost),
	};

	return cmocka_run_group_tests_name("heat", tests, NULL, NULL);
}
