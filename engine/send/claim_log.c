/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/claim_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/bitmap.h"
#include "util/bits.h"
#include "util/error.h"

#define WORD_BITS 64u

static uint64_t words_of(const struct rj_block *block)
{
	return rj_div_round_up(
		rj_div_round_up(block->page_count, RJ_CHUNK_PAGES), WORD_BITS);
}

int rj_claim_log_init(struct rj_claim_log *log, const struct rj_block *blocks,
		      unsigned block_count, struct ramjet_error *err)
{
	*log = (struct rj_claim_log){ .block_count = block_count };
	log->first = calloc(block_count + 1, sizeof(*log->first));
	log->ring = calloc(RJ_CLAIMS_KEPT, sizeof(*log->ring));
	if (!log->first || !log->ring)
		return rj_fail(err, -ENOMEM, "claims: out of memory");
	for (unsigned i = 0; i < block_count; i++)
		log->first[i + 1] = log->first[i] + words_of(&blocks[i]);
	for (unsigned i = 0; i < 2; i++) {
		/* Zeroed by the kernel, and touched only where it is used. */
		log->maps[i].words = calloc(log->first[block_count],
					    sizeof(*log->maps[i].words));
		if (!log->maps[i].words)
			return rj_fail(err, -ENOMEM, "claims: out of memory");
	}
	return 0;
}

void rj_claim_log_done(struct rj_claim_log *log)
{
	for (unsigned i = 0; i < 2; i++)
		free(log->maps[i].words);
	free(log->first);
	free(log->ring);
	*log = (struct rj_claim_log){ 0 };
}

static bool is_empty(const struct rj_claim_map *map)
{
	return map->low >= map->high;
}

static void empty(struct rj_claim_map *map)
{
	if (!is_empty(map))
		memset(map->words + map->low, 0,
		       (map->high - map->low) * sizeof(*map->words));
	map->low = map->high = 0;
}

void rj_claim_log_enter(struct rj_claim_log *log, uint32_t round,
			uint32_t applied)
{
	struct rj_claim_map *older = &log->maps[!log->newer];

	if (is_empty(older) || older->last_round < applied) {
		empty(older);
		log->newer = !log->newer;
	}
	log->maps[log->newer].last_round = round;
}

static void overflow(struct rj_claim_log *log, unsigned block, uint64_t chunk)
{
	struct rj_claim_map *map = &log->maps[log->newer];
	const uint64_t word = log->first[block] + chunk / WORD_BITS;

	map->words[word] |= UINT64_C(1) << chunk % WORD_BITS;
	if (is_empty(map)) {
		map->low = word;
		map->high = word + 1;
		return;
	}
	map->low = word < map->low ? word : map->low;
	map->high = word >= map->high ? word + 1 : map->high;
}

static struct rj_logged_claim *claim_at(const struct rj_claim_log *log,
					uint64_t index)
{
	return &log->ring[index % RJ_CLAIMS_KEPT];
}

/* Forget what the target has, and make room for one. */
static void trim(struct rj_claim_log *log, uint64_t taken, uint32_t applied)
{
	while (log->begin < log->end) {
		const struct rj_logged_claim *oldest =
			claim_at(log, log->begin);

		if (oldest->last_frame > taken && oldest->round >= applied) {
			if (log->end - log->begin < RJ_CLAIMS_KEPT)
				return;
			overflow(log, oldest->block, oldest->chunk);
		}
		log->begin++;
	}
}

void rj_claim_log_add(struct rj_claim_log *log, unsigned block, uint64_t chunk,
		      const uint64_t *words, uint32_t round, uint64_t taken,
		      uint32_t applied)
{
	struct rj_logged_claim *claim;

	trim(log, taken, applied);
	claim = claim_at(log, log->end++);
	*claim = (struct rj_logged_claim){
		.chunk = chunk,
		.last_frame = UINT64_MAX,
		.block = block,
		.round = round,
	};
	memcpy(claim->words, words, sizeof(claim->words));
}

void rj_claim_log_end(struct rj_claim_log *log, uint64_t last_frame)
{
	claim_at(log, log->end - 1)->last_frame = last_frame;
}

static uint64_t word_at(const struct rj_claim_map *map, uint64_t word)
{
	return word >= map->low && word < map->high ? map->words[word] : 0;
}

static void visit_overflow(const struct rj_claim_log *log,
			   void (*visit)(void *user, unsigned block,
					 uint64_t chunk, const uint64_t *words),
			   void *user)
{
	for (unsigned i = 0; i < log->block_count; i++)
		for (uint64_t w = log->first[i]; w < log->first[i + 1]; w++) {
			uint64_t word = word_at(&log->maps[0], w) |
					word_at(&log->maps[1], w);

			for (; word; word &= word - 1)
				visit(user, i,
				      (w - log->first[i]) * WORD_BITS +
					      rj_lowest_bit(word),
				      NULL);
		}
}

void rj_claim_log_visit(const struct rj_claim_log *log, uint64_t taken,
			void (*visit)(void *user, unsigned block,
				      uint64_t chunk, const uint64_t *words),
			void *user)
{
	if (!log->ring)
		return;
	visit_overflow(log, visit, user);
	for (uint64_t i = log->begin; i < log->end; i++) {
		const struct rj_logged_claim *claim = claim_at(log, i);

		if (claim->last_frame > taken)
			visit(user, claim->block, claim->chunk, claim->words);
	}
}
