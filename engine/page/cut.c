/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/cut.h"

#include "engine/page/content.h"

/* Looked at so many pages later: a memory access takes about as long. Without,
 * the zero test was 3 % of a move's CPU time, with it is 1 %. */
#define PREFETCH_PAGES 8u

/* A page's kind; of a WORD page, its word. */
struct choice {
	enum rj_run_kind kind;
	uint64_t word;
};

static struct choice choose(const struct rj_page_codec *codec,
			    const uint8_t *host, uint64_t page, uint64_t end)
{
	struct choice is = { .kind = RJ_RUN_RAW };

	if (page + PREFETCH_PAGES < end)
		rj_page_expect(host +
			       (page + PREFETCH_PAGES) * RAMJET_PAGE_BYTES);
	switch (rj_page_content(host + page * RAMJET_PAGE_BYTES, &is.word)) {
	case RJ_PAGE_ZERO:
		is.kind = RJ_RUN_ZERO;
		break;
	case RJ_PAGE_WORD:
		if (rj_reduction_allows(codec->reduction, RJ_RUN_WORD))
			is.kind = RJ_RUN_WORD;
		break;
	case RJ_PAGE_OTHER:
		break;
	}
	return is;
}

static bool goes_on(const struct choice *first, const struct choice *next)
{
	return next->kind == first->kind &&
	       (first->kind != RJ_RUN_WORD || next->word == first->word);
}

/* How pages go that hold what nothing shorter can be said of: the first so many of
 * `count`. Only a ladder's lanes pass hopeless ones by: who asks for a level gets
 * it. */
static uint32_t way_of_content(struct rj_page_codec *codec, uint32_t count,
			       enum rj_run_kind *ret)
{
	uint32_t pass, try = count;

	*ret = RJ_RUN_RAW;
	if (!codec->compressor || codec->level == RJ_LEVEL_OFF)
		return count;
	if (codec->reduction && codec->reduction->adaptive) {
		pass = rj_hopeless_pass(&codec->hopeless, count, &try);
		if (pass)
			return pass;
	}
	*ret = RJ_RUN_ZSTD;
	return try;
}

uint32_t rj_page_cut(struct rj_page_codec *codec, const uint8_t *host,
		     uint64_t page, uint64_t end, enum rj_run_kind *ret)
{
	const uint64_t from = page;
	const struct choice first = choose(codec, host, page, end);
	struct choice next;

	do {
		page++;
		if (page >= end)
			break;
		next = choose(codec, host, page, end);
	} while (goes_on(&first, &next));
	codec->word = first.word;
	*ret = first.kind;
	return first.kind == RJ_RUN_RAW
		       ? way_of_content(codec, (uint32_t)(page - from), ret)
		       : (uint32_t)(page - from);
}
