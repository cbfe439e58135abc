/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PLACEMENT_TOPOLOGY_H
#define RJ_ENGINE_PLACEMENT_TOPOLOGY_H
/*
 * NUMA nodes: which CPUs each has, and how far they are from each other. A
 * plain struct, so that policies can be tested on machines nobody has. Nodes
 * are named by their index here; the kernel's number is `id`.
 */
#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/cpu_set.h"

/* What lies on nodes beyond these is taken as lying nowhere. Chosen, and
 * tested up to here. */
#define RJ_NODES_MAX 64u
#define RJ_NODE_ANY  (-1)

/* As the firmware's table (ACPI SLIT) counts. */
#define RJ_DISTANCE_LOCAL 10u
#define RJ_DISTANCE_OTHER 20u /* where the firmware does not tell */

struct rj_node {
	unsigned id;
	unsigned cpu_count; /* set in `cpus` */
	struct rj_cpus cpus;
};

struct rj_topology {
	unsigned node_count;                /* at least 1 */
	const char *reason;                 /* when it is 1: why; static */
	struct rj_node nodes[RJ_NODES_MAX]; /* by ascending id */
	uint8_t distance[RJ_NODES_MAX][RJ_NODES_MAX];
};

/* A topology of one node, without its CPUs. */
void rj_topology_single(struct rj_topology *topology, const char *reason);
/* The index of the kernel's node `id`, or RJ_NODE_ANY. */
int rj_topology_index(const struct rj_topology *topology, int id);
/* Of the nodes with may[index], the nearest to `from`; RJ_NODE_ANY: none. Of
 * two as near, the first. */
int rj_topology_nearest(const struct rj_topology *topology, unsigned from,
			const bool may[RJ_NODES_MAX]);
/* Forget CPUs that are not among `allowed`. */
void rj_topology_restrict(struct rj_topology *topology,
			  const struct rj_cpus *allowed);
#endif
