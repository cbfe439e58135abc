/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_RECEIVE_TARGET_MEMORY_H
#define RJ_ENGINE_RECEIVE_TARGET_MEMORY_H
/*
 * The target's guest memory: what may be written where, and what was. Memory
 * no page came for reads as zero and stays untouched.
 */
#include <stdint.h>
#include <sys/uio.h>

#include "dirty/bitmap.h"
#include "engine/guest/guest.h"
#include "engine/guest/headroom.h"
#include "engine/page/codec.h"
#include "engine/page/run_kinds.h"
#include "engine/receive/clearing.h"
#include "engine/receive/first_touch.h"
#include "engine/wire/payload_sum.h"
#include "engine/wire/wire.h"

struct rj_target_memory {
	/* immutable after init */
	const struct rj_block *blocks; /* borrowed, in the source's order */
	unsigned block_count;
	/* Per block, set concurrently: pages that have arrived, or that were
	 * cleared. */
	struct rj_bitmap *received;
	struct rj_first_touch *first_touch; /* per block */
	struct rj_clearing clearing;
	struct rj_headroom headroom;
};

RJ_NODISCARD int rj_target_memory_init(struct rj_target_memory *memory,
				       const struct rj_block *blocks,
				       unsigned block_count,
				       struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_target_memory_done(struct rj_target_memory *memory);

/* Begin to make blocks that are not fresh read as zero, where no page comes
 * (engine/receive/clearing.h): before the first page does. What goes wrong later fails
 * m; its end is told to event_fd. */
RJ_NODISCARD int rj_target_memory_clear(struct rj_target_memory *memory,
					struct ramjet_migration *m,
					unsigned threads, int event_fd,
					struct ramjet_error *err);

struct rj_scatter {
	struct iovec *iov; /* RJ_RUNS_MAX entries */
	bool *untouched;   /* as many: nothing is there yet */
	unsigned count;
	unsigned untouched_count;
	uint64_t pages[RJ_RUN_KINDS];
};
/*
 * Check the whole table of a PAGES frame against the block and the payload,
 * and only then act on it: runs without payload are applied, the others become
 * the iovec to receive into (or whose file to write): guest memory where the
 * payload is the pages and the block is mapped here, else the codec's. Nothing outside the block is ever
 * named. When the payload is there, rj_page_place() does the rest.
 */
RJ_NODISCARD int rj_target_memory_place(struct rj_target_memory *memory,
					struct rj_page_codec *codec,
					const struct rj_frame *frame,
					const uint8_t *table,
					struct rj_scatter *ret,
					struct ramjet_error *err);
/* What was noted of a payload has come to the block's memory, where it is read
 * for the sum (NULL: for none). */
RJ_NODISCARD int rj_target_memory_sum(const struct rj_block *block,
				      struct rj_payload_sum *sum,
				      struct ramjet_error *err);
#endif
