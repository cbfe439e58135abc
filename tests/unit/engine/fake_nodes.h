/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_FAKE_NODES_H
#define RJ_TESTS_FAKE_NODES_H
/* Machines of several NUMA nodes that nobody has. */
#include "engine/placement/node_map.h"
#include "engine/placement/topology.h"

/* Nodes in pairs, as in two sockets a board: 12 to the partner, 21 to the
 * others, 32 to those more than four away. Node i has the kernel's number
 * 2 * i and CPUs i * cpus_each and up. */
void fake_topology(struct rj_topology *topology, unsigned nodes,
		   unsigned cpus_each);

/* An rj_place_query_fn: pages of one block lie as `user`, a struct
 * fake_memory, says. Counts what it was asked. */
struct fake_memory {
	int (*node_of)(uint64_t page); /* index, or RJ_NODE_ANY/_SPREAD */
	bool unpopulated;
	uint64_t asked;
	uint64_t most_at_once;
};
void fake_query(void *user, const struct rj_block *block, const uint64_t *pages,
		size_t count, struct rj_page_place *ret);
#endif
