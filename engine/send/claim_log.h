/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_CLAIM_LOG_H
#define RJ_ENGINE_SEND_CLAIM_LOG_H
/*
 * What a lane has claimed and the target may not have yet: should the lane be lost,
 * these pages are all that may be missing there.
 *
 * Claims    The newest are in a ring, each with the frame that has the last of its
 *           pages: once the target has that one, or has applied the claim's round,
 *           it is forgotten. It acknowledges by frame (TAKEN), some times a second.
 * Overflow  What the ring has no room for is remembered in two maps of one bit a
 *           chunk (2 MiB of guest), 64 KiB a TiB each, touched where something
 *           was claimed. It goes into the newer. Once the target has applied the
 *           last round in the older, that is emptied, and they change places: so a
 *           chunk is remembered at least until its round is applied, and at most
 *           until the one after the newest at that time is.
 *
 * The worker's own; others may look once it has ended.
 */
#include <stdbool.h>
#include <stdint.h>

#include "dirty/bitmap.h"
#include "engine/guest/guest.h"
#include "util/compiler.h"

/* Chosen: at 10 Gbit/s a lane, TAKEN comes every 60 claims of full chunks. 88 KiB
 * a lane. */
#define RJ_CLAIMS_KEPT 1024u

struct rj_logged_claim {
	uint64_t chunk;
	uint64_t last_frame; /* of its pages; the lane's first frame is 1 */
	uint32_t block, round;
	uint64_t words[RJ_CHUNK_WORDS];
};

struct rj_claim_log {
	unsigned block_count;
	uint64_t *first; /* word of each block, and their sum */
	struct rj_claim_map {
		uint64_t *words;
		uint64_t low, high; /* words that may hold a bit: [low, high) */
		uint32_t last_round; /* of its claims */
	} maps[2];
	unsigned newer;
	struct rj_logged_claim *ring;
	uint64_t begin, end; /* claims in it: [begin, end), modulo its size */
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
/* It has claimed these pages of a chunk of the block, in `round`. Of its frames,
 * the target is known to have `taken`, and all of rounds before `applied`. */
void rj_claim_log_add(struct rj_claim_log *log, unsigned block, uint64_t chunk,
		      const uint64_t *words, uint32_t round, uint64_t taken,
		      uint32_t applied);
/* The latest claim's last page is in this frame, or in one before. Until then none
 * of its frames is known. */
void rj_claim_log_end(struct rj_claim_log *log, uint64_t last_frame);
/* Each claim that has pages in frames after `taken`; those that overflowed as
 * whole chunks, words NULL. */
void rj_claim_log_visit(const struct rj_claim_log *log, uint64_t taken,
			void (*visit)(void *user, unsigned block,
				      uint64_t chunk, const uint64_t *words),
			void *user);
#endif
