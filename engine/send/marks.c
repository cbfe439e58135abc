/* SPDX-License-Identifier: BSD-3-Clause */
/* Connects the guest's marks and discards (engine/guest/guest.h) with the
 * rounds. */
#include "engine/send/marks.h"

static void mark(void *user, unsigned block, uint64_t first_page,
		 uint64_t pages)
{
	struct rj_rounds *rounds = user;

	rj_told_mark(&rounds->told, block, first_page, pages);
}

static void discard(void *user, unsigned block, uint64_t first_page,
		    uint64_t pages)
{
	struct rj_rounds *rounds = user;

	rj_told_discard(&rounds->told, block, first_page, pages);
}

static bool has_more(void *user)
{
	struct rj_rounds *rounds = user;

	return rj_rounds_remaining(rounds) || rj_told_has_marks(&rounds->told);
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
