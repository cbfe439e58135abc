/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_ZERO_H
#define RJ_ENGINE_PAGE_ZERO_H
#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"

/* True when all 4096 bytes are 0. Looks at a few words first, so that pages
 * that hold something cost little. The page may be written meanwhile: then
 * either answer is right, as its dirty bit is set again. */
bool rj_page_is_zero(const uint8_t *page);
/* Fetch what rj_page_is_zero() looks at first, for a page that it will soon be
 * asked about. */
static inline void rj_page_expect(const uint8_t *page)
{
	__builtin_prefetch(page);
}
#endif
