/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/placement/topology.h"

#include <string.h>

void rj_topology_single(struct rj_topology *topology, const char *reason)
{
	memset(topology, 0, sizeof(*topology));
	topology->node_count = 1;
	topology->reason = reason;
	topology->distance[0][0] = RJ_DISTANCE_LOCAL;
}

int rj_topology_index(const struct rj_topology *topology, int id)
{
	for (unsigned i = 0; i < topology->node_count; i++)
		if (id >= 0 && topology->nodes[i].id == (unsigned)id)
			return (int)i;
	return RJ_NODE_ANY;
}

int rj_topology_nearest(const struct rj_topology *topology, unsigned from,
			const bool may[RJ_NODES_MAX])
{
	int nearest = RJ_NODE_ANY;

	for (unsigned i = 0; i < topology->node_count; i++)
		if (may[i] && (nearest == RJ_NODE_ANY ||
			       topology->distance[from][i] <
				       topology->distance[from][nearest]))
			nearest = (int)i;
	return nearest;
}

void rj_topology_restrict(struct rj_topology *topology,
			  const struct rj_cpus *allowed)
{
	for (unsigned i = 0; i < topology->node_count; i++) {
		struct rj_node *node = &topology->nodes[i];

		CPU_AND_S(sizeof(node->cpus), node->cpus.sets, node->cpus.sets,
			  allowed->sets);
		node->cpu_count = (unsigned)CPU_COUNT_S(sizeof(node->cpus),
							node->cpus.sets);
	}
}
