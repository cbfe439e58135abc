/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_PAGE_SUMS_H
#define RJ_ENGINE_PAGE_PAGE_SUMS_H
/* The digest of some pages of a block: what is to be added to that of others. */
#include "engine/guest/guest.h"
#include "engine/wire/digest_parts.h"
#include "engine/wire/wire.h"
#include "util/compiler.h"

struct rj_page_sums {
	struct rj_digest whole;
	struct rj_digest_parts parts;
	uint64_t part_pages; /* rj_digest_part_pages() of the block */
};

/* Pages [page, page + count) of the block. */
RJ_NODISCARD int rj_page_sums_add(struct rj_page_sums *sums,
				  const struct rj_block *block, uint64_t page,
				  uint64_t count, struct ramjet_error *err);
#endif
