/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_ZERO_H
#define RJ_ENGINE_PAGE_ZERO_H
#include <stdbool.h>

#include "engine/page/content.h"

/* True when all 4096 bytes are 0. */
static inline bool rj_page_is_zero(const uint8_t *page)
{
	uint64_t word;

	return rj_page_content(page, &word) == RJ_PAGE_ZERO;
}
#endif
