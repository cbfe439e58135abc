/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_REPEATS_H
#define RJ_ENGINE_PAGE_REPEATS_H
/* Is a page one word of 8 bytes, over and over? The whole page is read, so first
 * ask what costs less: engine/page/content.h. */
#include <stdbool.h>
#include <stdint.h>

typedef bool (*rj_repeats)(const uint8_t *page, uint64_t word);

/* By what the CPU must have for it; the best one first, the last one goes
 * everywhere. For tests and benchmarks: rj_page_repeats() has its own. */
struct rj_repeats_level {
	const char *name;
	bool (*is_there)(void);
	rj_repeats repeats;
};
extern const struct rj_repeats_level rj_repeats_levels[];
extern const unsigned rj_repeats_level_count;

/* By the best of them that this CPU has. The page may be written meanwhile: then
 * either answer is right, as its dirty bit is set again. */
bool rj_page_repeats(const uint8_t *page, uint64_t word);
#endif
