/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_FIRST_LOOK_H
#define RJ_ENGINE_SOURCE_FIRST_LOOK_H
/*
 * What round 0 asks of the guest's memory, a window at a time, on the send
 * workers' threads (engine/send/first_round.h): track it from now on, and what is
 * populated there? Figures become known as windows are asked.
 */
#include "dirty/populated.h"
#include "dirty/source.h"
#include "engine/migration/env.h"
#include "engine/page/digest.h"
#include "engine/send/rounds.h"

struct rj_first_look {
	/* immutable after rj_first_look_open() */
	const struct rj_env *env;
	const struct rj_block *blocks;
	unsigned block_count;
	struct rj_dirty_set *dirty;
	const struct ramjet_dirty_region *regions;
	/* Why absent pages of a block mean nothing, or NULL. */
	const char *const *lazy;
	/* Pages populated, at most, as the kernel counts them: a guess. */
	uint64_t guessed_pages;

	struct rj_scan_pool scans;
	struct rj_populated *looks;        /* one a block */
	_Atomic uint64_t *untouched_pages; /* of each block so far; borrowed */
	struct rj_first_round round;
	bool opened;
};

/* All is borrowed, and set up to `untouched_pages`. `rounds` takes round 0 from
 * here. Takes no time in proportion to memory, unless a source settles. */
RJ_NODISCARD int rj_first_look_open(struct rj_first_look *look,
				    struct rj_rounds *rounds,
				    struct ramjet_error *err);
/* The workers have ended. Safe on a zeroed struct. */
void rj_first_look_close(struct rj_first_look *look);

/* Found to hold nothing so far. */
uint64_t rj_first_look_empty(const struct rj_first_look *look);
/* Of the pages not asked for, those that will hardly be found populated: what
 * is known of the whole is taken off what the kernel says. */
uint64_t rj_first_look_hardly(const struct rj_first_look *look);
/* All has been asked: try a block's digest on some pages that it holds. */
void rj_first_look_try_digest(struct rj_first_look *look, unsigned index,
			      struct rj_digest_trial *trial);
#endif
