/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/digest_pieces.h"

#include <errno.h>
#include <stdlib.h>

#include "dirty/bitmap.h"
#include "util/bits.h"
#include "util/error.h"

/* Chosen. To ask for the populated part of a piece costs some 20 us beside what
 * it holds: nothing beside 16 MiB of pages, nor for 1 GiB without any. */
#define PIECE_PAGES_MIN UINT64_C(4096)
#define PIECE_PAGES_MAX (UINT64_C(1) << 18)
#define PIECES_A_THREAD 16u

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return rj_div_round_up(value, unit) * unit;
}

/* Whole chunks, and whole pages of the block's. */
static uint64_t pages_of(const struct rj_digest_pieces *pieces, unsigned block)
{
	const uint64_t own =
		pieces->blocks[block].page_bytes / RAMJET_PAGE_BYTES;

	return own > RJ_CHUNK_PAGES ? round_up(pieces->piece_pages, own)
				    : pieces->piece_pages;
}

static uint64_t choose_pages(const struct rj_block *blocks,
			     unsigned block_count, unsigned threads)
{
	uint64_t pages = 0;

	for (unsigned i = 0; i < block_count; i++)
		pages += blocks[i].page_count;
	pages = round_up(pages / (threads * PIECES_A_THREAD) + 1,
			 RJ_CHUNK_PAGES);
	return pages < PIECE_PAGES_MIN   ? PIECE_PAGES_MIN
	       : pages > PIECE_PAGES_MAX ? PIECE_PAGES_MAX
					 : pages;
}

int rj_digest_pieces_init(struct rj_digest_pieces *pieces,
			  const struct rj_block *blocks, unsigned block_count,
			  unsigned threads, struct ramjet_error *err)
{
	*pieces = (struct rj_digest_pieces){
		.blocks = blocks,
		.block_count = block_count,
		.piece_pages = choose_pages(blocks, block_count, threads),
		.firsts = calloc((size_t)block_count + 1, sizeof(uint64_t)),
	};
	if (!pieces->firsts)
		return rj_fail(err, -ENOMEM, "digests: out of memory");
	for (unsigned i = 0; i < block_count; i++) {
		const uint64_t most = pages_of(pieces, i);

		pieces->firsts[i] = pieces->count;
		pieces->count += rj_div_round_up(blocks[i].page_count, most);
		if (most > pieces->pages_max)
			pieces->pages_max = most;
	}
	pieces->firsts[block_count] = pieces->count;
	return 0;
}

void rj_digest_pieces_done(struct rj_digest_pieces *pieces)
{
	free(pieces->firsts);
	pieces->firsts = NULL;
}

struct rj_digest_piece rj_digest_piece_at(const struct rj_digest_pieces *pieces,
					  uint64_t index)
{
	unsigned block = 0, end = pieces->block_count;
	struct rj_digest_piece piece;
	uint64_t most, left;

	/* The last block that begins at or before it. */
	while (end - block > 1) {
		const unsigned middle = block + (end - block) / 2;

		if (pieces->firsts[middle] <= index)
			block = middle;
		else
			end = middle;
	}
	most = pages_of(pieces, block);
	piece = (struct rj_digest_piece){
		.block = block,
		.first = (index - pieces->firsts[block]) * most,
	};
	left = pieces->blocks[block].page_count - piece.first;
	piece.count = left < most ? left : most;
	return piece;
}
