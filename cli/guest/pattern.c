/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest/pattern.h"

#include "util/bits.h"

#define HOT_SHARE   10u /* one page in ten is hot ... */
#define COLD_PERIOD 10u /* ... and one write in ten goes elsewhere */

uint64_t rj_cli_mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * UINT64_C(0x9e3779b97f4a7c15) + b;

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Each step is a bijection of `bits`-bit words, so the whole is. */
static uint64_t scramble(uint64_t x, unsigned bits, uint64_t key)
{
	uint64_t mask = rj_bit_span(0, bits);
	unsigned shift = bits / 2 + 1;

	for (unsigned round = 0; round < 3; round++) {
		x = (x * UINT64_C(0xbf58476d1ce4e5b9) + key) & mask;
		x ^= x >> shift;
		key = key >> 17 | key << 47;
	}
	return x;
}

uint64_t rj_cli_permute(uint64_t index, uint64_t count, uint64_t key)
{
	unsigned bits;

	if (count < 2)
		return index;
	bits = RJ_WORD_BITS - (unsigned)__builtin_clzll(count - 1);
	/* Walk the cycle until back inside; at most half is outside. */
	do
		index = scramble(index, bits, key);
	while (index >= count);
	return index;
}

/* One walk of a slice: its pages, and where they lie. */
struct ring {
	uint64_t count;
	uint64_t first; /* in the slice's fixed order of hot and cold */
	uint64_t key;
};

static struct ring ring_of(const struct rj_cli_walk *walk, bool cold)
{
	uint64_t hot = walk->pages;

	if (walk->pattern == RJ_CLI_PATTERN_HOT && walk->pages > 1)
		hot = rj_div_round_up(walk->pages, HOT_SHARE);
	return (struct ring){
		.count = cold ? walk->pages - hot : hot,
		.first = cold ? hot : 0,
		.key = rj_cli_mix(walk->seed, cold),
	};
}

/* The `nth` page of a ring in its pass number `pass`. */
static uint64_t ring_page(const struct rj_cli_walk *walk,
			  const struct ring *ring, uint64_t pass, uint64_t nth)
{
	uint64_t at;

	if (walk->pattern == RJ_CLI_PATTERN_SEQUENTIAL)
		return nth;
	at = ring->first +
	     rj_cli_permute(nth, ring->count, rj_cli_mix(ring->key, pass));
	if (walk->pattern == RJ_CLI_PATTERN_RANDOM)
		return at;
	/* Scatter the hot pages over the slice. */
	return rj_cli_permute(at, walk->pages, walk->seed);
}

/* How many of a slice's writes went to one of its rings. */
static uint64_t ring_writes(const struct rj_cli_walk *walk, bool cold,
			    uint64_t writes)
{
	uint64_t elsewhere = writes / COLD_PERIOD;

	if (walk->pattern != RJ_CLI_PATTERN_HOT)
		return cold ? 0 : writes;
	return cold ? elsewhere : writes - elsewhere;
}

struct rj_cli_visit rj_cli_walk_write(const struct rj_cli_walk *walk,
				      uint64_t number)
{
	bool cold = walk->pattern == RJ_CLI_PATTERN_HOT &&
		    number % COLD_PERIOD == COLD_PERIOD - 1;
	struct ring ring = ring_of(walk, cold);
	uint64_t at = ring_writes(walk, cold, number);
	uint64_t pass = at / ring.count;

	return (struct rj_cli_visit){
		.page = ring_page(walk, &ring, pass, at % ring.count),
		.counter = pass + 1,
	};
}

struct rj_cli_visit rj_cli_walk_expect(const struct rj_cli_walk *walk,
				       uint64_t writes, uint64_t nth)
{
	struct ring ring = ring_of(walk, false);
	bool cold = nth >= ring.count;
	uint64_t done, pass;

	if (cold) {
		nth -= ring.count;
		ring = ring_of(walk, true);
	}
	done = ring_writes(walk, cold, writes);
	pass = done / ring.count;
	return (struct rj_cli_visit){
		.page = ring_page(walk, &ring, pass, nth),
		.counter = pass + (nth < done % ring.count),
	};
}
