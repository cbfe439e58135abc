/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PLACEMENT_NODE_MAP_H
#define RJ_ENGINE_PLACEMENT_NODE_MAP_H
/*
 * On which NUMA nodes the guest's memory lies, by samples: a page a chunk, or
 * fewer, so that 12 TiB cost as little as 16 GiB. Memory that is interleaved
 * page by page has no node; a page here and there on another node changes
 * nothing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/guest/guest.h"
#include "engine/placement/placement.h"
#include "engine/placement/topology.h"
#include "util/compiler.h"

/* Decision 014: in all, and one more a block at most; some 6 ms. */
#define RJ_SAMPLES_MAX    8192u
#define RJ_SAMPLES_WINDOW 16u  /* that decide together */
#define RJ_QUERY_MAX      512u /* pages asked for at once */

#define RJ_NODE_SPREAD (-2) /* interleaved by its policy */

struct rj_page_place {
	/* The kernel's number, RJ_NODE_ANY (unknown) or RJ_NODE_SPREAD: where
	 * the page is or, while it is nowhere, is bound to go. */
	int node;
	bool populated;
};

/* Where these pages of a block (ascending, at most RJ_QUERY_MAX) are. Must
 * not populate any. Cannot fail: what is not to be found out is unknown. */
typedef void rj_place_query_fn(void *user, const struct rj_block *block,
			       const uint64_t *pages, size_t count,
			       struct rj_page_place *ret);

/* What tells where things are: this machine, or a test's. */
struct rj_node_view {
	const struct rj_topology *topology;
	rj_place_query_fn *query;
	void *user;
};

struct rj_node_map {
	struct rj_stretch *stretches; /* all chunks, by block and address */
	size_t count;
	unsigned mixed_blocks; /* known, but on no node of their own */
};

/* `bound_counts`: memory without pages calls for workers, too, since pages
 * will come to it. */
RJ_NODISCARD int rj_node_map_init(struct rj_node_map *map,
				  const struct rj_node_view *view,
				  const struct rj_block *blocks,
				  unsigned block_count, bool bound_counts,
				  struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_node_map_done(struct rj_node_map *map);
#endif
