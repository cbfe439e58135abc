/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_DIGEST_H
#define RJ_ENGINE_PAGE_DIGEST_H
/*
 * What proves two copies of a block equal: for every 4 KiB page that is not
 * all zero, XXH3-128 of the page seeded with its index; the halves summed up
 * modulo 2^64. So untouched and zero pages are the same, and pages may be
 * taken in any order. The guest must be stopped.
 *
 * All blocks are hashed at once: cut into pieces, which a crew shares. Who asks
 * for it waits, and looks after his link meanwhile.
 */
#include "dirty/bitmap.h"
#include "engine/guest/guest.h"
#include "engine/wire/digest_parts.h"
#include "engine/wire/wire.h"
#include "util/compiler.h"

/* Which pages are read? The digest is the same. */
enum rj_digest_of {
	RJ_DIGEST_OF_POPULATED = 0, /* what the populated map says */
	RJ_DIGEST_OF_ALL,           /* every one: the map is proven as well */
	RJ_DIGEST_OF_COUNT_
};

struct rj_block_digest {
	enum rj_digest_of of; /* set by who asks */
	struct rj_digest whole;
	struct rj_digest_parts parts; /* where */
};

struct rj_digest_ask {
	const struct rj_block *blocks;
	unsigned block_count;
	unsigned threads; /* at most; 0: one a CPU that may be used */
	int wake_fd;      /* readable: -ECANCELED, soon; -1: never */
	/* Called at once and every 20 ms, in the caller's thread; what it
	 * returns but 0 ends all. May be NULL. */
	int (*look)(void *user, struct ramjet_error *err);
	void *user;
};

/* Fills in digests[0..block_count), of which `of` is set. Errors name the
 * block. */
RJ_NODISCARD int rj_digest_blocks(const struct rj_digest_ask *ask,
				  struct rj_block_digest *digests,
				  struct ramjet_error *err);
/* Of one alone. */
RJ_NODISCARD int rj_digest_block(const struct rj_block *block,
				 struct rj_digest *ret,
				 struct ramjet_error *err);

/* How long that will take: tried on a few pages of a block (the guest may run),
 * which are populated. Does nothing when enough were tried, of whatever
 * blocks. */
struct rj_digest_trial {
	uint64_t us, pages; /* zeroed by who begins */
};
void rj_digest_try(struct rj_digest_trial *trial, const struct rj_block *block,
		   const struct rj_bitmap *populated);
/* Microseconds, for `pages` that are populated and `untouched` ones that are
 * read as well; `threads` as above. */
uint64_t rj_digest_predict_us(const struct rj_digest_trial *trial,
			      uint64_t pages, uint64_t untouched,
			      unsigned threads);
#endif
