/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_WORD_RUN_H
#define RJ_ENGINE_PAGE_WORD_RUN_H
#include "engine/page/run_row.h"

/* Pages that are one word of 8 bytes, over and over: that of the table. See struct
 * rj_run_row. */
RJ_NODISCARD int rj_word_run_place(struct rj_page_codec *codec,
				   const struct rj_run_piece *piece,
				   struct ramjet_error *err);
#endif
