/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_DELTA_RUN_H
#define RJ_ENGINE_PAGE_DELTA_RUN_H
/*
 * Runs of pages that the target has older copies of. In a DELTA run each has, one
 * after the other:
 * - u16, 0: it is as it was; or
 * - u16, 1 to 4095; u64, the sum of the copy it builds on; and as many bytes, what
 *   has changed (engine/page/delta.h); or
 * - u16, 4096; and the page.
 * In a SAME run all are as they were, and there is nothing to say.
 */
#include "engine/page/codec.h"

/* Before what has changed in a page. */
#define RJ_DELTA_HEAD_BYTES 10u

/* Of a page that builds on a copy with this sum; what has changed follows. */
void rj_delta_run_head(uint8_t out[RJ_DELTA_HEAD_BYTES], uint64_t sum,
		       uint32_t bytes);

/* ---- as engine/page/run_row.h wants them */

/* What rj_page_codec has ready: engine/send/deltas.h. */
uint32_t rj_delta_run_encode(struct rj_page_codec *codec, const uint8_t *pages,
			     uint32_t count, uint8_t *out);
RJ_NODISCARD int rj_delta_run_check(const struct rj_run_piece *piece,
				    struct ramjet_error *err);
RJ_NODISCARD int rj_delta_run_place(struct rj_page_codec *codec,
				    const struct rj_run_piece *piece,
				    struct ramjet_error *err);
RJ_NODISCARD int rj_same_run_place(struct rj_page_codec *codec,
				   const struct rj_run_piece *piece,
				   struct ramjet_error *err);
#endif
