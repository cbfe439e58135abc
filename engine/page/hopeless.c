/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/hopeless.h"

#include "engine/wire/wire.h"

/* Chosen: what saves less than a tenth hardly pays on any link. */
#define HOPELESS 900u
/* Of a group's ratio against those before: one that is odd decides nothing. */
#define NEWS 4u

static bool is_bad(const struct rj_hopeless *h)
{
	return h->ratio > HOPELESS;
}

uint32_t rj_hopeless_pass(struct rj_hopeless *h, uint32_t count, uint32_t *try)
{
	const uint32_t pages = count < h->pass_pages ? count : h->pass_pages;

	/* In doubt, group by group. */
	*try = is_bad(h) && count > RJ_GROUP_PAGES ? RJ_GROUP_PAGES : count;
	h->pass_pages -= pages;
	return pages;
}

void rj_hopeless_learn(struct rj_hopeless *h, uint64_t in, uint64_t out)
{
	const uint32_t ratio = (uint32_t)(out * 1000 / in);

	if (!h->ratio || (is_bad(h) && ratio <= HOPELESS))
		h->ratio = ratio;
	else
		h->ratio = (h->ratio * (NEWS - 1) + ratio) / NEWS;
	if (!is_bad(h)) {
		h->skips = h->pass_pages = 0;
		return;
	}
	if (ratio <= HOPELESS)
		return;
	h->skips = h->skips * 2 + 1;
	if (h->skips > RJ_HOPELESS_SKIPS_MAX)
		h->skips = RJ_HOPELESS_SKIPS_MAX;
	h->pass_pages = h->skips * RJ_GROUP_PAGES;
}
