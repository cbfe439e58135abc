/* SPDX-License-Identifier: BSD-3-Clause */
/* Connects the guest's marks and discards (engine/guest/guest.h) with the
 * rounds. */
#include "engine/send/marks.h"

static void mark(void *rounds, unsigned block, uint64_t first_page,
		 uint64_t pages)
{
	rj_rounds_mark(rounds, block, first_page, pages);
}

static void discard(void *rounds, unsigned block, uint64_t first_page,
		    uint64_t pages)
{
	rj_rounds_discard(rounds, block, first_page, pages);
}

static bool has_more(void *rounds)
{
	return rj_rounds_remaining(rounds) || rj_rounds_has_marks(rounds);
}

void rj_rounds_listen(struct rj_rounds *rounds, struct ramjet_guest *guest)
{
	static const struct rj_page_listener listener = {
		.mark = mark,
		.discard = discard,
		.has_more = has_more,
	};

	rj_guest_listen(guest, &listener, rounds);
}
