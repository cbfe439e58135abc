/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PLACEMENT_MACHINE_NODES_H
#define RJ_ENGINE_PLACEMENT_MACHINE_NODES_H
/*
 * This machine's NUMA nodes, by libnuma. Built without it, there is one node
 * (machine_nodes_absent.c).
 */
#include "engine/placement/node_map.h"
#include "engine/placement/topology.h"

/* Read once a process, as libnuma does; with all CPUs, also those that this
 * process may not use. */
const struct rj_topology *rj_machine_topology(void);

/* An rj_place_query_fn of this process. Pages of tmpfs that nobody has mapped
 * here yet are mapped for it; none is populated. */
void rj_machine_query(void *user, const struct rj_block *block,
		      const uint64_t *pages, size_t count,
		      struct rj_page_place *ret);
#endif
