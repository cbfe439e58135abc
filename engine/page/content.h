/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_CONTENT_H
#define RJ_ENGINE_PAGE_CONTENT_H
/* What a page holds, as far as it costs next to nothing to find out. */
#include <stdint.h>

enum rj_page_content {
	RJ_PAGE_OTHER = 0,
	RJ_PAGE_ZERO, /* 4096 zero bytes */
	RJ_PAGE_WORD, /* one word of 8 bytes, over and over, but zero */
};

/* Of a page that is one word, that goes to *ret_word. Looks at a few words first, so
 * that other pages cost little. The page may be written meanwhile: then any
 * answer is right, as its dirty bit is set again; but only *ret_word is what it
 * was found to be full of, not what is read from it afterwards. */
enum rj_page_content rj_page_content(const uint8_t *page, uint64_t *ret_word);
/* Fetch what is looked at first, for a page that will soon be asked about. */
static inline void rj_page_expect(const uint8_t *page)
{
	__builtin_prefetch(page);
}
#endif
