/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_RAM_PAGE_H
#define RJ_CLI_GUEST_RAM_PAGE_H
/*
 * One page of a live guest's RAM, made so that any damage can be told.
 *
 * Counted pages (those the program writes) say at their start what they are,
 * which page, whose, and how often they were written; the count stands again
 * at their end, so a torn page shows. Words that follow from the count may come
 * after it, so that each write changes more. The rest is filler that follows
 * from seed and index and never changes. Static pages carry filler only, or
 * zeros.
 */
#include "ramjet.h"

#define RJ_CLI_PAGE_WORDS (RAMJET_PAGE_BYTES / 8)
/* Between the counters, in words 3 and 511. */
#define RJ_CLI_PAGE_TOUCHED_MAX 507u

enum rj_cli_filler {
	RJ_CLI_FILLER_RANDOM = 0,
	RJ_CLI_FILLER_TEXT, /* compresses well */
	RJ_CLI_FILLER_ZERO, /* static pages only */
};

/* What a page must be. */
struct rj_cli_page {
	uint64_t index;
	uint64_t seed;
	uint32_t owner; /* the vCPU that writes it */
	bool counted;
	enum rj_cli_filler filler;
	uint64_t counter; /* counted pages */
	/* Of these: words that a write changes beside the two counters; at most
	 * RJ_CLI_PAGE_TOUCHED_MAX. */
	uint32_t touched;
};

enum rj_cli_damage {
	RJ_CLI_DAMAGE_NONE = 0,
	RJ_CLI_DAMAGE_LOST,    /* all zeros where something must be */
	RJ_CLI_DAMAGE_FOREIGN, /* another page's content */
	RJ_CLI_DAMAGE_TORN,    /* the counters at both ends differ */
	RJ_CLI_DAMAGE_STALE,   /* an older counter: a write was lost */
	RJ_CLI_DAMAGE_AHEAD,   /* a newer counter than was ever written */
	RJ_CLI_DAMAGE_CONTENT, /* a byte that never changes has changed */
	RJ_CLI_DAMAGE_COUNT_
};
/* "lost write or stale page" etc.; "invalid" out of range. Static. */
const char *rj_cli_damage_name(unsigned damage);

/* Make `words` (a whole page) what `page` says. */
void rj_cli_page_fill(volatile uint64_t *words, const struct rj_cli_page *page);
/* Compare all of it. On damage err names page, found and wanted. */
enum rj_cli_damage rj_cli_page_check(const volatile uint64_t *words,
				     const struct rj_cli_page *page,
				     struct ramjet_error *err);
/* As the program writes: look at head and tail (they must carry
 * page->counter - 1), then store page->counter at both, and the words that
 * follow from it between. On damage nothing is written. */
enum rj_cli_damage rj_cli_page_write(volatile uint64_t *words,
				     const struct rj_cli_page *page,
				     struct ramjet_error *err);
/* The two counters of a counted page, for digests. */
void rj_cli_page_counters(const volatile uint64_t *words, uint64_t *ret_head,
			  uint64_t *ret_tail);
#endif
