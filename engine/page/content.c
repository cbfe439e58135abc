/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/content.h"

#include "engine/page/repeats.h"
#include "ramjet.h"
#include "util/compiler.h"

#define LAST (RAMJET_PAGE_BYTES / sizeof(uint64_t) - 1)

typedef const uint64_t word64 __attribute__((may_alias));

/* The first two words tell most pages that hold something, and lie in one cache
 * line; the middle and the last one are a miss each, so one at a time. */
RJ_GUEST_MEMORY static bool may_repeat(const uint8_t *page, uint64_t *ret_word)
{
	const word64 *words = (word64 *)(const void *)page;
	const uint64_t word = words[0];

	*ret_word = word;
	return words[1] == word && words[LAST / 2] == word &&
	       words[LAST] == word;
}

enum rj_page_content rj_page_content(const uint8_t *page, uint64_t *ret_word)
{
	if (!may_repeat(page, ret_word) || !rj_page_repeats(page, *ret_word))
		return RJ_PAGE_OTHER;
	return *ret_word ? RJ_PAGE_WORD : RJ_PAGE_ZERO;
}
