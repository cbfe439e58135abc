/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_PINNING_H
#define RJ_ENGINE_SEND_PINNING_H
/*
 * What of a worker's home is registered with its channel, for zero copy.
 *
 * Memory is registered in pieces, each when something in it is first to be
 * sent, and only where that does no harm: its block may be pinned, no page of
 * the piece is missing (registering would populate it), none was discarded,
 * and, unless `any_pages`, all are huge, since small ones are cheaper copied.
 *
 * Discards: a registered buffer keeps sending the page that was there. The
 * discard is noted in rj_rounds before its pages are marked for a round, so
 * whoever claims them finds the note here and lets go of the piece first.
 *
 * Owned by the worker.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirty/pagescan.h"
#include "engine/send/rounds.h"
#include "ringio/channel.h"

struct rj_piece;

struct rj_pinning {
	struct rj_channel *channel;
	struct rj_rounds *rounds;
	bool any_pages;
	uint64_t first, end; /* positions of the worker's home */
	uint64_t piece_chunks;
	struct rj_piece *pieces; /* of the home */
	struct rj_pagescan scan;
	uint32_t discards_seen;
	bool over;      /* nothing more is registered */
	int refused;    /* by the kernel: negative errno; then `over` */
	unsigned small; /* pieces of small pages, left alone */
	unsigned holes; /* with missing or discarded pages */
};

/* rounds and channel are borrowed. Registers nothing yet. */
RJ_NODISCARD int rj_pinning_init(struct rj_pinning *pinning,
				 struct rj_channel *channel,
				 struct rj_rounds *rounds, unsigned worker,
				 bool any_pages, struct ramjet_error *err);
/* Frees this struct only: the memory stays registered until the channel is
 * freed. Safe on a zeroed struct. */
void rj_pinning_done(struct rj_pinning *pinning);
/* The buffer to send [base, base + bytes) of a block from, registered just now
 * if need be; RJ_CHANNEL_PLAIN: none. */
int rj_pinning_buffer(struct rj_pinning *pinning, unsigned block,
		      const void *base, size_t bytes);
/* Let go of everything, for good. Safe on a zeroed struct. */
void rj_pinning_release(struct rj_pinning *pinning);
/* Let go of pieces that were discarded from. */
void rj_pinning_heed_discards(struct rj_pinning *pinning);
#endif
