/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_RUN_TABLE_H
#define RJ_ENGINE_PAGE_RUN_TABLE_H
/*
 * The table of a PAGES frame: its runs, and how much payload each has.
 *
 * A run takes one entry. Where the kind's row says that the payload is told,
 * a second one follows: bits 0 to 31 its bytes, 60 to 63 the kind again. Where
 * it says that there is a word, that follows: any but 0. So where everything
 * goes is known, and covered by the check word, before any payload is read.
 *
 * Runs that join a group have nothing of their own in the payload; the entry after
 * the run that begins it tells the size of the whole group's.
 */
#include "engine/page/run_kinds.h"
#include "engine/wire/bytes.h"

static inline uint32_t rj_run_entries(enum rj_run_kind kind)
{
	return rj_run_rows[kind].told || rj_run_rows[kind].word ? 2 : 1;
}

/* Entry `index` of a table must be of a known kind, not empty, lie within
 * page_count, and come after `*next_page` (which it moves on): so runs of a
 * frame never overlap. The next run is rj_run_entries() further. */
RJ_NODISCARD int rj_run_decode(const uint8_t *table, uint32_t index,
			       uint64_t page_count, uint64_t *next_page,
			       struct rj_wire_run *ret,
			       struct ramjet_error *err);
/* All of a PAGES table: each run as above, and their payloads together just as
 * long as the frame's. After it, rj_run_decode() of these runs succeeds. */
RJ_NODISCARD int rj_table_check(const struct rj_frame *frame,
				const uint8_t *table, uint64_t page_count,
				struct ramjet_error *err);
/* Of the run at entry `index` of a table that was checked. */
uint64_t rj_run_payload_bytes(const uint8_t *table, uint32_t index,
			      const struct rj_wire_run *run);
/* The entry after its own, where its kind has a word; else 0. */
static inline uint64_t rj_run_word(const uint8_t *table, uint32_t index,
				   enum rj_run_kind kind)
{
	return rj_run_rows[kind].word
		       ? rj_get64(table + ((size_t)index + 1) * RJ_RUN_BYTES)
		       : 0;
}
/* The entry after a run's, where its kind's payload is told. */
void rj_run_encode_told(enum rj_run_kind kind, uint32_t bytes,
			uint8_t out[RJ_RUN_BYTES]);
#endif
