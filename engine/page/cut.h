/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_CUT_H
#define RJ_ENGINE_PAGE_CUT_H
/* Where pages that are to be sent get their kind. */
#include "engine/page/codec.h"

/* So many of the pages from `page` on, of those before `end`, go as one run, of
 * the kind in *ret: at least one. The guest may write them meanwhile; their
 * dirty bits are set again then. */
uint32_t rj_page_cut(struct rj_page_codec *codec, const uint8_t *host,
		     uint64_t page, uint64_t end, enum rj_run_kind *ret);
#endif
