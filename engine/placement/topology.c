/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/placement/topology.h"

#include <errno.h>
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

void rj_cpus_add(struct rj_cpus *cpus, unsigned cpu)
{
	CPU_SET_S(cpu, sizeof(*cpus), cpus->sets);
}

int rj_cpus_allowed(struct rj_cpus *ret)
{
	*ret = (struct rj_cpus){ 0 };
	return sched_getaffinity(0, sizeof(*ret), ret->sets) ? -errno : 0;
}

int rj_cpus_run_on(const struct rj_cpus *cpus)
{
	return sched_setaffinity(0, sizeof(*cpus), cpus->sets) ? -errno : 0;
}
