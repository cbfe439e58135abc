/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lanes claim, copy and send in any order that the rounds allow, and a target
 * applies what they send in any order that the fences allow: each delta must
 * find the base it was made for, and the memories be equal in the end. Without
 * either of the two rules (engine/page/delta_cache.c) that fails. So it does when
 * lanes are lost, and a copy need not be known to have arrived, or is not forgotten.
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
#define QUEUE  (PAGES * 24)

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
	/* Lost, as the target knows; and the source, too. */
	bool dead, out;
	bool on; /* copies are kept, since this round */
	uint32_t from;
};

/* A rule that is broken. */
enum broken {
	NONE,
	ALL_LEFT,
	NONE_OLDER,
	ARRIVED,
	FORGOTTEN
};

struct scene {
	enum broken broken;
	struct rj_block block;
	struct rj_rounds rounds;
	struct rj_delta_cache *cache;
	bool loses; /* lanes */
	unsigned lost;
	_Atomic uint32_t left;    /* all, as a broken rule has it */
	_Atomic uint32_t applied; /* as the source knows */
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
		.left_by_all = s->broken == ALL_LEFT || s->broken == NONE_OLDER
				       ? &s->left
				       : &s->rounds.left_by_all,
		.applied =
			s->loses && s->broken != ARRIVED ? &s->applied : NULL,
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

static bool any_dead(const struct scene *s)
{
	for (unsigned i = 0; i < LANES; i++)
		if (s->lanes[i].dead)
			return true;
	return false;
}

/* The next round: what is dirty now. */
static void open_round(struct scene *s)
{
	uint64_t words[RJ_CHUNK_WORDS] = { 0 };
	uint64_t marked = 0;

	/* The last one is not opened while something is unknown. */
	if (s->final || !rj_rounds_can_fill(&s->rounds) ||
	    (s->begun && s->open + 1 == ROUNDS && any_dead(s)))
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

/* ---- lanes that are lost ------------------------------------------------- */

/* What the target has applied, and says in the order in which it happens: nothing
 * behind a loss that the source has not heard of. */
static void tell_applied(struct scene *s)
{
	unsigned in = 0;
	uint32_t least = UINT32_MAX;

	for (unsigned i = 0; i < LANES; i++) {
		const struct lane *lane = &s->lanes[i];

		if (lane->out)
			continue;
		in++;
		least = lane->fences < least ? lane->fences : least;
	}
	if (in && !any_dead(s) && least > atomic_load(&s->applied))
		atomic_store(&s->applied, least);
}

/* At a fence, for others. */
static bool waits(const struct scene *s, const struct lane *lane)
{
	for (unsigned i = 0; i < LANES; i++)
		if (!s->lanes[i].dead && !s->lanes[i].out &&
		    s->lanes[i].fences < lane->fences)
			return true;
	return false;
}

/* The target loses it: of what comes next it has got a part, and no more. */
static void lose(struct scene *s, struct lane *lane)
{
	if (!s->loses || !s->begun || s->open + 4 > ROUNDS || lane->dead ||
	    lane->out)
		return;
	s->lost++;
	lane->dead = true;
	if (lane->applied < lane->sent && !waits(s, lane) &&
	    lane->queue[lane->applied].kind != FENCE)
		s->target[lane->queue[lane->applied].page] = 77;
}

static void put_back(struct scene *s, unsigned page)
{
	if (s->broken != FORGOTTEN)
		rj_delta_cache_forget(s->cache, 0, page, 1);
	rj_told_mark(&s->rounds.told, 0, page, 1);
}

/* The source hears of it. Meanwhile the lane has gone on. */
static void hear_of_loss(struct scene *s, unsigned index)
{
	struct lane *lane = &s->lanes[index];

	if (!lane->dead)
		return;
	for (; lane->applied < lane->sent; lane->applied++)
		if (lane->queue[lane->applied].kind != FENCE)
			put_back(s, lane->queue[lane->applied].page);
	for (unsigned i = 0; lane->claiming && i < RJ_CHUNK_PAGES; i++)
		if (lane->claim.words[i / 64] >> i % 64 & 1)
			put_back(s, (unsigned)lane->claim.first_page + i);
	lane->claiming = lane->taken = lane->dead = false;
	lane->out = true;
	rj_rounds_lose(&s->rounds, index);
	tell_applied(s);
}

/* Its empty fences are there at once. */
static void come_back(struct scene *s, unsigned index)
{
	struct lane *lane = &s->lanes[index];

	if (any_dead(s) || any(50))
		return;
	lane->round = lane->fences =
		rj_rounds_join(&s->rounds, index, atomic_load(&s->applied));
	lane->out = lane->entered = false;
	lane->next = 0;
}

static void step(struct scene *s, unsigned index)
{
	struct lane *lane = &s->lanes[index];

	if (lane->out) {
		come_back(s, index);
		return;
	}
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

	if (lane->dead || lane->out || waits(s, lane) ||
	    lane->applied == lane->sent)
		return false;
	lane->applied++;
	if (sent->kind == FENCE) {
		lane->fences++;
		tell_applied(s);
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
			if (!any(300))
				lose(s, &s->lanes[any(LANES)]);
			if (!any(60))
				hear_of_loss(s, any(LANES));
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
static unsigned try_orders(enum broken broken, bool loses)
{
	const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	unsigned wrong = 0, deltas = 0, sames = 0, lost = 0;

	assert_true(fd >= 0);
	for (unsigned i = 0; i < SEEDS; i++) {
		struct scene *s = calloc(1, sizeof(*s));

		assert_non_null(s);
		seed = 20261128 + i * 977;
		s->broken = broken;
		s->loses = loses;
		begin(s, fd);
		run(s);
		wrong += s->wrong;
		deltas += s->deltas;
		sames += s->sames;
		lost += s->lost;
		end(s);
		free(s);
	}
	(void)close(fd);
	assert_in_range(deltas, SEEDS * (loses ? 4 : 100), UINT32_MAX);
	assert_in_range(sames, SEEDS * (loses ? 2 : 20), UINT32_MAX);
	assert_in_range(lost, loses ? SEEDS * 3 : 0, loses ? UINT32_MAX : 0);
	return wrong;
}

static void every_base_is_the_one_the_target_has(void **state)
{
	(void)state;
	assert_int_equal(try_orders(NONE, false), 0);
}

static void not_so_if_lanes_may_be_behind(void **state)
{
	(void)state;
	assert_int_not_equal(try_orders(ALL_LEFT, false), 0);
}

static void not_so_if_copies_of_older_rounds_come_back(void **state)
{
	(void)state;
	assert_int_not_equal(try_orders(NONE_OLDER, false), 0);
}

static void so_it_is_when_lanes_are_lost(void **state)
{
	(void)state;
	assert_int_equal(try_orders(NONE, true), 0);
}

static void not_so_if_copies_need_not_have_arrived(void **state)
{
	(void)state;
	assert_int_not_equal(try_orders(ARRIVED, true), 0);
}

static void not_so_if_lost_copies_are_not_forgotten(void **state)
{
	(void)state;
	assert_int_not_equal(try_orders(FORGOTTEN, true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_base_is_the_one_the_target_has),
		cmocka_unit_test(not_so_if_lanes_may_be_behind),
		cmocka_unit_test(not_so_if_copies_of_older_rounds_come_back),
		cmocka_unit_test(so_it_is_when_lanes_are_lost),
		cmocka_unit_test(not_so_if_copies_need_not_have_arrived),
		cmocka_unit_test(not_so_if_lost_copies_are_not_forgotten),
	};

	return cmocka_run_group_tests_name("send_delta_versions", tests, NULL,
					   NULL);
}
