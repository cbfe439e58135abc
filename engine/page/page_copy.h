/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_PAGE_COPY_H
#define RJ_ENGINE_PAGE_PAGE_COPY_H
/* Pages that the guest may write meanwhile are copied. */
#include <stddef.h>
#include <stdint.h>

/* What comes of a page that is written meanwhile may be torn: its dirty bit is
 * set again then, and it is sent once more. They don't overlap. */
void rj_page_copy(uint8_t *to, const uint8_t *from, size_t bytes);
#endif
