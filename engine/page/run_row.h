/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_RUN_ROW_H
#define RJ_ENGINE_PAGE_RUN_ROW_H
/* What there is to say of a kind of run: a row of engine/page/run_kinds.c. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirty/bitmap.h"
#include "engine/guest/guest.h"
#include "engine/wire/wire.h"

/* Four bits of a run. */
#define RJ_RUN_KINDS 16u

struct rj_page_codec;

/* A run at the target, and where it goes. */
struct rj_run_piece {
	const struct rj_block *block;
	/* Of the block: pages that have arrived, or were cleared. Those of a
	 * run that fills are in it already. */
	const struct rj_bitmap *received;
	struct rj_wire_run run;
	const uint8_t *payload; /* NULL: it has none */
	uint32_t bytes;         /* of it */
	uint64_t word;          /* the table's, where the row says so */
};

/* Runs that are coded together, though others stand between them. */
enum rj_run_group {
	RJ_GROUP_NONE,
	RJ_GROUP_BEGINS, /* has the payload (told) of itself and those that join */
	RJ_GROUP_JOINS, /* the group that began last: has none of its own */
};

struct rj_run_row {
	const char *name; /* NULL: there is no such kind */
	/* A run's payload: so many bytes, and so many for each of its pages,
	 * and as many as the table tells (engine/page/run_table.h). At most
	 * what the pages themselves would take. */
	uint32_t run_bytes, page_bytes;
	bool told;
	/* The table has a word for each run: that of rj_page_codec when the run
	 * is added. Not together with `told`. */
	bool word;
	/* The payload is the pages: sent from where they lie, and received
	 * where they belong. Then nothing below is asked. */
	bool in_place;
	/* Its pages hold something afterwards; else they read as zero, or are
	 * as they were. */
	bool fills;
	/* Only of pages that have come before: it builds on what they hold. */
	bool builds;
	/* Where it is one of a group, nothing below is asked either: the source
	 * adds its pages by engine/send/grouping.h, and the target places them
	 * by engine/page/group.h. */
	enum rj_run_group group;
	/* Write the payload of `count` pages to `out`, which has room for as
	 * many bytes as they are. Returns its bytes; 0: not worth it, they go
	 * raw. The guest may write them meanwhile: anything may come of it but
	 * what `check` refuses. By the lane's worker. */
	uint32_t (*encode)(struct rj_page_codec *codec, const uint8_t *pages,
			   uint32_t count, uint8_t *out);
	/* Is it a payload that `encode` may have made? Called for all runs of a
	 * frame, once its sum was found right and before any is placed. NULL:
	 * every one is. */
	RJ_NODISCARD int (*check)(const struct rj_run_piece *piece,
				  struct ramjet_error *err);
	/* Make the pages what they are to be: with the table when there is no
	 * payload, else when it is there. Their memory is there. By the lane's
	 * worker. */
	RJ_NODISCARD int (*place)(struct rj_page_codec *codec,
				  const struct rj_run_piece *piece,
				  struct ramjet_error *err);
	size_t counter; /* of its pages: offset in struct rj_counters */
};

static inline bool rj_run_row_has_payload(const struct rj_run_row *row)
{
	return row->run_bytes || row->page_bytes || row->told;
}

/* Can a run of this kind grow, once it has its payload? With a word, by pages
 * that have the same. */
static inline bool rj_run_row_grows(const struct rj_run_row *row)
{
	return !row->run_bytes && !row->told;
}
#endif
