/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_SPREAD_H
#define RJ_CLI_GUEST_SPREAD_H
/*
 * Which of a live guest's static pages hold anything: all, or, with used=SIZE,
 * every so many-th piece of memory, so that what is used lies everywhere. All
 * others are zero and were never touched.
 */
#include <stdbool.h>

#include "cli/guest/spec.h"

struct rj_cli_spread {
	uint64_t unit; /* pages in a piece: what one touch populates */
	uint64_t step; /* of so many pieces, the first is used; 1: all */
};

/* `others` of the guest's pages are used besides the static ones. */
struct rj_cli_spread rj_cli_spread_of(const struct rj_cli_guest_spec *spec,
				      uint64_t static_pages, uint64_t others);
/* Can it have been made for a guest of so many pages? It may have arrived. */
bool rj_cli_spread_is_sound(const struct rj_cli_spread *spread,
			    uint64_t page_count);
bool rj_cli_spread_has(const struct rj_cli_spread *spread, uint64_t page);
/* The first page at or after this one that is used; it may lie beyond the
 * guest. */
uint64_t rj_cli_spread_next(const struct rj_cli_spread *spread, uint64_t page);

/* Bytes that making this guest takes at most, page tables counted. */
uint64_t rj_cli_spread_cost(const struct rj_cli_guest_spec *spec);
#endif
