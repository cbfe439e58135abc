/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/pinning.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "dirty/extent.h"
#include "engine/guest/region.h"
#include "util/bits.h"
#include "util/error.h"

/* Grows until the home has few enough pieces for one table (decision 012). */
#define PIECE_BYTES_MIN ((uint64_t)16 << 20)
#define PIECES_MAX      RJ_CHANNEL_BUFFERS_MAX

struct rj_piece {
	enum {
		PIECE_NEW,
		PIECE_REGISTERED,
		PIECE_LEFT_ALONE
	} state;
	int buffer;
	unsigned block;
	uint64_t chunk; /* in its block */
	uint64_t chunk_count;
	const uint8_t *base;
	size_t bytes;
};

static uint64_t piece_count(const struct rj_pinning *pinning)
{
	return rj_div_round_up(pinning->end - pinning->first,
			       pinning->piece_chunks);
}

int rj_pinning_init(struct rj_pinning *pinning, struct rj_channel *channel,
		    struct rj_rounds *rounds, unsigned worker, bool any_pages,
		    struct ramjet_error *err)
{
	const struct rj_home *home = &rounds->placement->homes[worker];

	*pinning = (struct rj_pinning){
		.channel = channel,
		.rounds = rounds,
		.any_pages = any_pages,
		.first = home->first,
		.end = home->end,
		.piece_chunks = PIECE_BYTES_MIN / RJ_CHUNK_BYTES,
		.scan = RJ_PAGESCAN_NONE,
	};
	while (piece_count(pinning) > PIECES_MAX &&
	       pinning->piece_chunks * RJ_CHUNK_BYTES <
		       RJ_CHANNEL_BUFFER_BYTES_MAX)
		pinning->piece_chunks *= 2;
	pinning->pieces =
		calloc(piece_count(pinning) + 1, sizeof(*pinning->pieces));
	if (!pinning->pieces)
		return rj_fail(err, -ENOMEM, "zero copy: out of memory");
	return rj_pagescan_open(&pinning->scan, err);
}

void rj_pinning_done(struct rj_pinning *pinning)
{
	if (pinning->pieces)
		rj_pagescan_close(&pinning->scan);
	free(pinning->pieces);
	pinning->pieces = NULL;
}

static bool is_discarded(const struct rj_pinning *pinning,
			 const struct rj_piece *piece)
{
	return rj_told_was_discarded(&pinning->rounds->told, piece->block,
				     piece->chunk, piece->chunk_count);
}

static void let_go(struct rj_pinning *pinning, struct rj_piece *piece)
{
	rj_channel_unregister(pinning->channel, piece->buffer);
	piece->state = PIECE_LEFT_ALONE;
}

void rj_pinning_release(struct rj_pinning *pinning)
{
	pinning->over = true;
	for (uint64_t i = 0; pinning->pieces && i < piece_count(pinning); i++)
		if (pinning->pieces[i].state == PIECE_REGISTERED)
			let_go(pinning, &pinning->pieces[i]);
}

void rj_pinning_heed_discards(struct rj_pinning *pinning)
{
	const uint32_t discards = rj_told_discards(&pinning->rounds->told);

	if (discards == pinning->discards_seen)
		return;
	pinning->discards_seen = discards;
	for (uint64_t i = 0; i < piece_count(pinning); i++) {
		struct rj_piece *piece = &pinning->pieces[i];

		if (piece->state != PIECE_REGISTERED ||
		    !is_discarded(pinning, piece))
			continue;
		let_go(pinning, piece);
		pinning->holes++;
	}
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A piece ends with its stretch and with the home. */
static void measure(const struct rj_pinning *pinning, struct rj_piece *piece,
		    const struct rj_stretch *stretch, uint64_t index)
{
	const struct rj_block *memory =
		&pinning->rounds->blocks[stretch->block];
	uint64_t first = pinning->first + index * pinning->piece_chunks;
	uint64_t end = first + pinning->piece_chunks;
	uint64_t offset;

	if (first < stretch->position)
		first = stretch->position;
	end = lesser(end, stretch->position + stretch->chunks);
	end = lesser(end, pinning->end);
	piece->block = stretch->block;
	piece->chunk = stretch->first_chunk + (first - stretch->position);
	piece->chunk_count = end - first;
	offset = piece->chunk * RJ_CHUNK_BYTES;
	piece->base = memory->host + offset;
	piece->bytes = lesser(piece->chunk_count * RJ_CHUNK_BYTES,
			      memory->bytes - offset);
}

static int add_up(void *user, uint64_t first_page, uint64_t count,
		  struct ramjet_error *err)
{
	(void)first_page;
	(void)err;
	*(uint64_t *)user += count;
	return 0;
}

/* True when all pages of the piece are of these categories. The kernel's shared
 * zero page does not count as one of them. */
static bool all_pages_are(struct rj_pinning *pinning,
			  const struct rj_piece *piece, uint64_t categories)
{
	const struct rj_pagescan_query query = {
		.inverted = RJ_PAGE_IS_PFNZERO,
		.mask = RJ_PAGE_IS_PFNZERO | categories,
	};
	uint64_t pages = 0;

	return !rj_pagescan_run(&pinning->scan, &query, piece->base,
				piece->bytes / RAMJET_PAGE_BYTES, add_up,
				&pages, NULL) &&
	       pages == piece->bytes / RAMJET_PAGE_BYTES;
}

/* True when the file behind the piece has no hole there. */
static bool has_no_hole(const struct rj_block *block,
			const struct rj_piece *piece)
{
	const struct ramjet_dirty_region region = rj_block_region(block);
	const uint64_t first = piece->chunk * RJ_CHUNK_PAGES;
	const uint64_t end = first + piece->bytes / RAMJET_PAGE_BYTES;
	uint64_t data, hole;

	return rj_extent_next(&region, first, end, &data, &hole, NULL) > 0 &&
	       data == first && hole >= end;
}

static bool is_populated(struct rj_pinning *pinning,
			 const struct rj_piece *piece)
{
	const struct rj_block *block = &pinning->rounds->blocks[piece->block];

	if (block->fd >= 0 && block->page_bytes == RAMJET_PAGE_BYTES) {
		if (!has_no_hole(block, piece))
			return false;
		/* Pages that another process has populated may not be mapped
		 * here yet. */
		(void)madvise((void *)(uintptr_t)piece->base, piece->bytes,
			      MADV_POPULATE_READ);
	}
	return all_pages_are(pinning, piece, RJ_PAGE_IS_PRESENT);
}

static bool wants_huge(const struct rj_pinning *pinning, unsigned block)
{
	return !pinning->any_pages &&
	       pinning->rounds->blocks[block].page_bytes == RAMJET_PAGE_BYTES;
}

/* A quick look: the page that is to be sent was just read, so it is mapped. */
static bool is_huge_at(struct rj_pinning *pinning, const void *page)
{
	const struct rj_piece one = { .base = page,
				      .bytes = RAMJET_PAGE_BYTES };

	return all_pages_are(pinning, &one, RJ_PAGE_IS_HUGE);
}

static void consider(struct rj_pinning *pinning, struct rj_piece *piece,
		     const struct rj_stretch *stretch, const void *page)
{
	const bool huge = wants_huge(pinning, stretch->block);

	piece->state = PIECE_LEFT_ALONE;
	measure(pinning, piece, stretch, (uint64_t)(piece - pinning->pieces));
	if (huge && !is_huge_at(pinning, page)) {
		pinning->small++;
		return;
	}
	if (is_discarded(pinning, piece) || !is_populated(pinning, piece)) {
		pinning->holes++;
		return;
	}
	if (huge && !all_pages_are(pinning, piece, RJ_PAGE_IS_HUGE)) {
		pinning->small++;
		return;
	}
	piece->buffer = rj_channel_register(
		pinning->channel, (void *)(uintptr_t)piece->base, piece->bytes);
	if (piece->buffer >= 0) {
		piece->state = PIECE_REGISTERED;
		return;
	}
	pinning->over = true;
	pinning->refused = piece->buffer;
}

int rj_pinning_buffer(struct rj_pinning *pinning, unsigned block,
		      const void *base, size_t bytes)
{
	const struct rj_rounds *rounds = pinning->rounds;
	const uint8_t *from = base;
	const uint64_t chunk =
		(uint64_t)(from - rounds->blocks[block].host) / RJ_CHUNK_BYTES;
	const struct rj_stretch *stretch =
		rj_placement_find(rounds->placement, block, chunk);
	const uint64_t position =
		stretch->position + (chunk - stretch->first_chunk);
	struct rj_piece *piece;

	if (position < pinning->first || position >= pinning->end ||
	    !(rounds->blocks[block].flags & RAMJET_BLOCK_PINNABLE))
		return RJ_CHANNEL_PLAIN;
	piece = &pinning->pieces[(position - pinning->first) /
				 pinning->piece_chunks];
	if (piece->state == PIECE_NEW && !pinning->over)
		consider(pinning, piece, stretch, base);
	/* Where two stretches meet, the piece may belong to the other one. */
	if (piece->state != PIECE_REGISTERED || from < piece->base ||
	    from >= piece->base + piece->bytes ||
	    bytes > (size_t)(piece->base + piece->bytes - from))
		return RJ_CHANNEL_PLAIN;
	return piece->buffer;
}
