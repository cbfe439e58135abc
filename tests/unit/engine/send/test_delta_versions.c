/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lanes claim, copy and send in any order that the rounds allow, and a target
 * applies what they send in any order that the fences allow: each delta must
 * find the base it was made for, and the memories be equal in the end. Without
 * either of the two rules (engine/page/delta_cache.c) that fails.
 */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/page/delta_cache.h"
#include "engine/page/delta_sum.h"
#include "engine/send/rounds.h"

#define LANES  3u
#define PAGES  700u
#define BYTES  RAMJET_PAGE_BYTES
#define ROUNDS 25u
#define SEEDS  20u
#define QUEUE  (PAGES * 12)

enum kind {
	RAW,
	DELTA,
	SAME,
	FENCE
};

/* What a page holds is one word, as often as it fits. */
struct sent {
	enum kind kind;
	unsigned page;
	uint64_t word, base; /* of a delta: the base's sum */
};

struct lane {
	uint32_t round;
	struct rj_claim claim;
	unsigned next; /* of the claim's pages */
	bool taken;    /* that page's copy is out */
	enum rj_delta_use use;
	uint8_t base[BYTES];
	uint64_t sum;
	struct sent queue[QUEUE];
	unsigned sent, applied;
	uint32_t fences; /* applied */
	bool claiming, entered;
	bool on; /* copies are kept, since this round */
	uint32_t from;
};

/* A rule that is broken. */
enum broken {
	NONE,
	ALL_LEFT,
	NONE_OLDER
};

struct scene {
	enum broken broken;
	struct rj_block block;
	struct rj_rounds rounds;
	struct rj_delta_cache *cache;
	_Atomic uint32_t left; /* all, as a broken rule has it */
	uint64_t guest[PAGES], target[PAGES];
	struct rj_bitmap dirty;
	struct lane lanes[LANES];
	uint32_t open;
	bool begun, final;
	unsigned wrong, deltas, sames;
};

static uint64_t seed;

static unsigned any(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % below;
}

static const uint8_t *content(uint64_t word)
{
	static uint64_t page[BYTES / sizeof(uint64_t)];

	for (size_t i = 0; i < BYTES / sizeof(word); i++)
		page[i] = word;
	return (const uint8_t *)page;
}

static void begin(struct scene *s, int fd)
{
	struct rj_delta_cache_options options = {
		.blocks = &s->block,
		.block_count = 1,
		.bytes = any(2) ? UINT64_MAX : PAGES * BYTES / 3,
		.left_by_all = s->broken ? &s->left : &s->rounds.left_by_all,
	};

	s->left = UINT32_MAX;
	s->block.page_count = PAGES;
	assert_int_equal(
		rj_rounds_init(&s->rounds, &s->block, 1, LANES, fd, NULL), 0);
	assert_int_equal(rj_bitmap_init(&s->dirty, PAGES, NULL), 0);
	assert_int_equal(rj_delta_cache_new(&options, &s->cache, NULL), 0);
	(void)rj_bitmap_set_run(&s->dirty, 0, PAGES);
}

static void end(struct scene *s)
{
	rj_delta_cache_free(s->cache);
	rj_bitmap_done(&s->dirty);
	rj_rounds_done(&s->rounds);
}

/* Few pages are written most of the time, often with what they had before. */
static void write_some(struct scene *s)
{
	const unsigned page = any(3) ? any(90) * 7 : any(PAGES);

	if (s->final)
		return;
	s->guest[page] = any(4) + 1;
	(void)rj_bitmap_set_run(&s->dirty, page, 1);
}

/* The next round: what is dirty now. */
static void open_round(struct scene *s)
{
	uint64_t words[RJ_CHUNK_WORDS] = { 0 };
	uint64_t marked = 0;

	if (s->final || !rj_rounds_can_fill(&s->rounds))
		return;
	for (uint64_t c = 0; c < s->dirty.chunk_count; c++) {
		memset(words, 0, sizeof(words));
		(void)rj_bitmap_claim_chunk(&s->dirty, c, words);
		marked += rj_bitmap_or_words(rj_rounds_sink(&s->rounds)[0],
					     c * RJ_CHUNK_PAGES, words,
					     RJ_CHUNK_WORDS);
	}
	rj_rounds_filled(&s->rounds, marked);
	rj_rounds_set_active(&s->rounds, 1 + any(LANES));
	s->final = s->begun && s->open + 1 == ROUNDS;
	s->open = rj_rounds_open(&s->rounds, s->final);
	s->begun = true;
}

static void put(struct lane *lane, struct sent sent)
{
	assert_true(lane->sent < QUEUE);
	lane->queue[lane->sent++] = sent;
}

/* Now the page is read, and what is sent is on its way. */
static void send_page(struct scene *s, struct lane *lane, unsigned page)
{
	struct sent sent = { RAW, page, s->guest[page], lane->sum };
	const uint8_t *copy = content(sent.word);

	if (lane->use == RJ_DELTA_BASE)
		sent.kind = memcmp(copy, lane->base, BYTES) ? DELTA : SAME;
	if (lane->use != RJ_DELTA_PASS && any(5))
		rj_delta_cache_keep(s->cache, 0, page, lane->round, copy);
	put(lane, sent);
	s->deltas += sent.kind == DELTA;
	s->sames += sent.kind == SAME;
}

/* Its copy is taken out, or page sent; false: the claim is done. */
static bool go_on(struct scene *s, struct lane *lane)
{
	const struct rj_run run = rj_words_next_run(lane->claim.words,
						    RJ_CHUNK_PAGES, lane->next);
	const unsigned page = (unsigned)(lane->claim.first_page + run.first);

	if (!run.count)
		return false;
	if (lane->taken) {
		send_page(s, lane, page);
		lane->next = (unsigned)run.first + 1;
	} else if (!lane->on) {
		rj_delta_cache_pass(s->cache, 0, page, 1);
		lane->use = RJ_DELTA_PASS;
	} else if (!any(10)) {
		rj_delta_cache_drop(s->cache, 0, page, 1, lane->round);
		lane->use = RJ_DELTA_PASS;
	} else {
		lane->use =
			rj_delta_cache_take(s->cache, 0, page, lane->round,
					    lane->from, lane->base, &lane->sum);
	}
	lane->taken = !lane->taken;
	return true;
}

/* And now and then say that copies are to be kept, or not any more. */
static void enter(struct scene *s, struct lane *lane)
{
	if (!lane->entered)
		lane->on = rj_delta_cache_is_on(s->cache, lane->round,
						&lane->from);
	lane->entered = true;
	if (!any(lane->on ? 3000 : 300))
		(void)(lane->on ? rj_delta_cache_end
				: rj_delta_cache_begin)(s->cache, lane->round);
}

static void step(struct scene *s, unsigned index)
{
	struct lane *lane = &s->lanes[index];

	if (!s->begun || lane->round > s->open)
		return;
	enter(s, lane);
	if (lane->claiming && go_on(s, lane))
		return;
	lane->next = 0;
	lane->claiming = rj_rounds_claim(&s->rounds, index, lane->round,
					 &lane->claim, NULL) > 0;
	if (lane->claiming)
		return;
	put(lane, (struct sent){ .kind = FENCE });
	rj_rounds_leave(&s->rounds, index, lane->round);
	lane->round++;
	lane->entered = false;
}

/* The target: the next one of this lane, unless it waits at a fence. */
static bool apply(struct scene *s, struct lane *lane)
{
	const struct sent *sent = &lane->queue[lane->applied];

	for (unsigned i = 0; i < LANES; i++)
		if (s->lanes[i].fences < lane->fences)
			return false;
	if (lane->applied == lane->sent)
		return false;
	lane->applied++;
	if (sent->kind == FENCE) {
		lane->fences++;
		return true;
	}
	if (sent->kind == DELTA)
		s->wrong += rj_delta_sum(content(s->target[sent->page])) !=
			    sent->base;
	if (sent->kind == SAME)
		s->wrong += s->target[sent->page] != sent->word;
	else
		s->target[sent->page] = sent->word;
	return true;
}

static void run(struct scene *s)
{
	bool more = true;

	while (!s->final || s->lanes[0].round < ROUNDS + 1 ||
	       s->lanes[1].round < ROUNDS + 1 ||
	       s->lanes[2].round < ROUNDS + 1) {
		switch (any(8)) {
		case 0:
			write_some(s);
			break;
		case 1:
			if (!any(40))
				open_round(s);
			break;
		case 2:
			(void)apply(s, &s->lanes[any(LANES)]);
			break;
		default:
			/* One lags behind. */
			step(s, any(12) ? any(LANES - 1) : LANES - 1);
		}
	}
	while (more) {
		more = false;
		for (unsigned i = 0; i < LANES; i++)
			more |= apply(s, &s->lanes[i]);
	}
	for (unsigned page = 0; page < PAGES; page++)
		s->wrong += s->guest[page] != s->target[page];
}

/* Of several orders: how many bases were wrong. */
static unsigned try_orders(enum broken broken)
{
	const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	unsigned wrong = 0, deltas = 0, sames = 0;

	assert_true(fd >= 0);
	for (unsigned i = 0; i < SEEDS; i++) {
		struct scene *s = calloc(1, sizeof(*s));

		assert_non_null(s);
		seed = 20261128 + i * 977;
		s->broken = broken;
		begin(s, fd);
		run(s);
		wrong += s->wrong;
		deltas += s->deltas;
		sames += s->sames;
		end(s);
		free(s);
	}
	(void)close(fd);
	assert_in_range(deltas, SEEDS * 100, UINT32_MAX);
	assert_in_range(sames, SEEDS * 20, UINT32_MAX);
	return wrong;
}

static void every_base_is_the_one_the_target_has(void **state)
{
	(void)state;
	assert_int_equal(try_orders(NONE), 0);
}

static void not_so_if_lanes_may_be_behind(void **state)
{
	(void)state;
	assert_int_not_equal(try_orders(ALL_LEFT), 0);
}

static void not_so_if_copies_of_older_rounds_come_back(void **state)
{
	(void)state;
	assert_int_not_equal(try_orders(NONE_OLDER), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_base_is_the_one_the_target_has),
		cmocka_unit_test(not_so_if_lanes_may_be_behind),
		cmocka_unit_test(not_so_if_copies_of_older_rounds_come_back),
	};

	return cmocka_run_group_tests_name("send_delta_versions", tests, NULL,
					   NULL);
}
