/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PLACEMENT_NUMA_H
#define RJ_ENGINE_PLACEMENT_NUMA_H
/*
 * Where the workers of one migration run, on a machine of several NUMA nodes:
 * near the memory they read or write. Decided once, by the control thread,
 * before they start; with one node nothing is asked, and nobody is pinned.
 */
#include "dirty/bitmap.h"
#include "engine/guest/guest.h"
#include "engine/migration/env.h"
#include "engine/placement/placement.h"
#include "engine/placement/topology.h"

struct rj_numa {
	struct rj_topology *topology;  /* NULL: nobody is pinned */
	struct rj_placement placement; /* worker_count 0: none */
};

struct rj_numa_wish {
	const struct rj_block *blocks;
	unsigned block_count;
	unsigned worker_count;
	unsigned home_count; /* workers that have homes; 0: all */
	int fd;              /* a connection to the peer, or -1 */
	bool is_target;      /* its memory has still to be touched first */
	const struct rj_node_view *nodes; /* NULL: this machine's */
};

/* Reports what it chose under "numa" in the fast paths. */
RJ_NODISCARD int rj_numa_init(struct rj_numa *numa, const struct rj_env *env,
			      const struct rj_numa_wish *wish,
			      struct ramjet_error *err);
/* Safe on a zeroed struct; not while a worker runs. */
void rj_numa_done(struct rj_numa *numa);

/* Where a worker is to run; NULL: anywhere. Valid until rj_numa_done(). */
const struct rj_cpus *rj_numa_cpus(const struct rj_numa *numa, unsigned worker);

/* Maps of all blocks, untouched as yet: the bits of memory that is known to lie
 * on a node are to lie there, too. Best effort. */
void rj_numa_place_maps(const struct rj_numa *numa,
			const struct rj_bitmap *maps);

/*
 * The calling worker runs there from now on, so what it touches first lies
 * there. A refusal is reported; with `strict` it is an error.
 */
RJ_NODISCARD int rj_numa_settle(const struct rj_env *env,
				const struct rj_cpus *cpus,
				struct ramjet_error *err);
#endif
