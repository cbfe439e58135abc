/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_DELTA_SUM_H
#define RJ_ENGINE_PAGE_DELTA_SUM_H
/* What names a page's copy to the other side. */
#include <xxhash.h>

#include "ramjet.h"

/* XXH3 (64 bits, seed 0) of a page that nobody writes. */
static inline uint64_t rj_delta_sum(const uint8_t *page)
{
	return XXH3_64bits(page, RAMJET_PAGE_BYTES);
}
#endif
