/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_DIGEST_PIECES_H
#define RJ_ENGINE_PAGE_DIGEST_PIECES_H
/* How blocks are cut into the pieces that threads hash: many enough that all end
 * together, large enough that cutting costs nothing. Of huge pages, whole ones. */
#include "engine/guest/guest.h"
#include "util/compiler.h"

struct rj_digest_piece {
	unsigned block;
	uint64_t first, count; /* pages */
};

struct rj_digest_pieces {
	const struct rj_block *blocks; /* borrowed */
	unsigned block_count;
	uint64_t piece_pages; /* unless a block's own pages are larger */
	uint64_t pages_max;   /* of the largest piece */
	uint64_t *firsts;     /* each block's first piece, and the end */
	uint64_t count;
};

RJ_NODISCARD int rj_digest_pieces_init(struct rj_digest_pieces *pieces,
				       const struct rj_block *blocks,
				       unsigned block_count, unsigned threads,
				       struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_digest_pieces_done(struct rj_digest_pieces *pieces);
struct rj_digest_piece rj_digest_piece_at(const struct rj_digest_pieces *pieces,
					  uint64_t index);
#endif
