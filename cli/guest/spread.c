/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest/spread.h"

#include "util/bits.h"

#define TABLE_PAGES 512u /* one page of page tables is for so many */

static uint64_t unit_of(const struct rj_cli_guest_spec *spec)
{
	return spec->pages == RJ_CLI_PAGES_4K ? 1 : TABLE_PAGES;
}

struct rj_cli_spread rj_cli_spread_of(const struct rj_cli_guest_spec *spec,
				      uint64_t static_pages, uint64_t others)
{
	struct rj_cli_spread spread = { .unit = unit_of(spec), .step = 1 };
	const uint64_t pieces = rj_div_round_up(static_pages, spread.unit);
	uint64_t used = spec->used_bytes / RAMJET_PAGE_BYTES;

	if (!spec->used_bytes || !pieces)
		return spread;
	used = (used > others ? used - others : 0) / spread.unit;
	spread.step = rj_div_round_up(pieces, used ? used : 1);
	return spread;
}

bool rj_cli_spread_is_sound(const struct rj_cli_spread *spread,
			    uint64_t page_count)
{
	return (spread->unit == 1 || spread->unit == TABLE_PAGES) &&
	       spread->step >= 1 && spread->step <= page_count;
}

bool rj_cli_spread_has(const struct rj_cli_spread *spread, uint64_t page)
{
	return spread->step == 1 || page / spread->unit % spread->step == 0;
}

uint64_t rj_cli_spread_next(const struct rj_cli_spread *spread, uint64_t page)
{
	const uint64_t piece = page / spread->unit;

	if (rj_cli_spread_has(spread, page))
		return page;
	return (piece / spread->step + 1) * spread->step * spread->unit;
}

uint64_t rj_cli_spread_cost(const struct rj_cli_guest_spec *spec)
{
	const uint64_t pages = spec->bytes / RAMJET_PAGE_BYTES;
	const uint64_t used = spec->used_bytes && !spec->prealloc
				      ? spec->used_bytes / RAMJET_PAGE_BYTES
				      : pages;
	uint64_t tables = pages / TABLE_PAGES;

	/* Far apart, each page has a table of its own. */
	if (tables > used)
		tables = used;
	return (used + tables) * RAMJET_PAGE_BYTES;
}
