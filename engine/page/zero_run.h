/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_ZERO_RUN_H
#define RJ_ENGINE_PAGE_ZERO_RUN_H
#include "engine/page/run_row.h"

/* Pages that read as zero: those that were received or cleared are made so;
 * the others stay untouched. See struct rj_run_row. */
RJ_NODISCARD int rj_zero_run_place(struct rj_page_codec *codec,
				   const struct rj_run_piece *piece,
				   struct ramjet_error *err);
#endif
