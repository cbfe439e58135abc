/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_DIGEST_H
#define RJ_ENGINE_PAGE_DIGEST_H
/*
 * What proves two copies of a block equal: for every 4 KiB page that is not
 * all zero, XXH3-128 of the page seeded with its index; the halves summed up
 * modulo 2^64. So untouched and zero pages are the same, and pages may be
 * taken in any order. The guest must be stopped.
 */
#include "dirty/bitmap.h"
#include "engine/guest/guest.h"
#include "engine/wire/digest_parts.h"
#include "engine/wire/wire.h"
#include "util/compiler.h"

RJ_NODISCARD int rj_digest_block(const struct rj_block *block,
				 struct rj_digest *ret,
				 struct ramjet_error *err);
/* Which pages are read? The digest is the same. */
enum rj_digest_of {
	RJ_DIGEST_OF_POPULATED = 0, /* what the populated map says */
	RJ_DIGEST_OF_ALL,           /* every one: the map is proven as well */
	RJ_DIGEST_OF_COUNT_
};
/* As above, and where; -ECANCELED soon after wake_fd became readable. */
RJ_NODISCARD int rj_digest_block_until(const struct rj_block *block,
				       enum rj_digest_of of, int wake_fd,
				       struct rj_digest *ret,
				       struct rj_digest_parts *ret_parts,
				       struct ramjet_error *err);

/* How long the digest of the block, `pages` of which are populated, will take,
 * from a trial on a few of them (the guest may run); microseconds. */
uint64_t rj_digest_predict_us(const struct rj_block *block,
			      enum rj_digest_of of,
			      const struct rj_bitmap *populated,
			      uint64_t pages);
#endif
