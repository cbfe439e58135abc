/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_CLAIM_LOG_H
#define RJ_ENGINE_SEND_CLAIM_LOG_H
/*
 * What a lane has claimed since the last round that the target has applied:
 * should the lane be lost, these chunks are all that may be missing there.
 *
 * Two maps of one bit a chunk (2 MiB of guest), 64 KiB a TiB each, touched where
 * something was claimed. Claims go into the newer. Once the target has applied
 * the last round in the older, that is emptied, and they change places: so a
 * chunk is remembered at least until its round is applied, and at most until the
 * one after the newest at that time is. The worker's own; others may look once it
 * has ended.
 */
#include <stdint.h>

#include "engine/guest/guest.h"
#include "util/compiler.h"

struct rj_claim_log {
	unsigned block_count;
	uint64_t *first; /* word of each block, and their sum */
	struct rj_claim_map {
		uint64_t *words;
		uint64_t low, high; /* words that may hold a bit: [low, high) */
		uint32_t last_round; /* of its claims */
	} maps[2];
	unsigned newer;
};

RJ_NODISCARD int rj_claim_log_init(struct rj_claim_log *log,
				   const struct rj_block *blocks,
				   unsigned block_count,
				   struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_claim_log_done(struct rj_claim_log *log);

/* The lane enters `round`; the target has applied all before `applied`. */
void rj_claim_log_enter(struct rj_claim_log *log, uint32_t round,
			uint32_t applied);
/* It has claimed pages of this chunk of the block. */
void rj_claim_log_add(struct rj_claim_log *log, unsigned block, uint64_t chunk);
/* Each chunk that may be missing, once. */
void rj_claim_log_visit(const struct rj_claim_log *log,
			void (*visit)(void *user, unsigned block,
				      uint64_t chunk),
			void *user);
#endif
