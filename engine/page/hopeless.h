/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_HOPELESS_H
#define RJ_ENGINE_PAGE_HOPELESS_H
/*
 * Pages that zstd can do nothing with lie in stretches: compressed files, keys,
 * pictures. Where groups hardly get smaller, the next ones are not tried: first one,
 * then three, up to 31 in a row; the first that does get smaller ends that.
 *
 * Owned by a lane's worker, which meets pages in the order in which they lie.
 */
#include <stdbool.h>
#include <stdint.h>

/* So many groups go by between two that are tried, at most: to try random pages
 * costs a 20th of what it takes to compress others, so that it comes to less than
 * a hundredth of a worker's time. */
#define RJ_HOPELESS_SKIPS_MAX 31u

struct rj_hopeless {
	uint32_t ratio;      /* of late, a thousandth; 0: none seen */
	uint32_t skips;      /* groups, the next time it is bad */
	uint32_t pass_pages; /* go by still */
};

/* How many of `count` pages are to go as they are: the first so many; 0: the
 * first *try of them are to be compressed. */
uint32_t rj_hopeless_pass(struct rj_hopeless *hopeless, uint32_t count,
			  uint32_t *try);
/* A group was compressed, from so many bytes to so many. */
void rj_hopeless_learn(struct rj_hopeless *hopeless, uint64_t in, uint64_t out);
#endif
