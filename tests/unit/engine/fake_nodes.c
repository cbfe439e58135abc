/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/fake_nodes.h"

static uint8_t distance(unsigned a, unsigned b)
{
	const unsigned apart = a > b ? a - b : b - a;

	if (!apart)
		return RJ_DISTANCE_LOCAL;
	if (a / 2 == b / 2)
		return 12;
	return apart > 4 ? 32 : 21;
}

void fake_topology(struct rj_topology *topology, unsigned nodes,
		   unsigned cpus_each)
{
	rj_topology_single(topology, nodes > 1 ? "" : "one node");
	topology->node_count = nodes;
	for (unsigned i = 0; i < nodes; i++) {
		topology->nodes[i].id = 2 * i;
		topology->nodes[i].cpu_count = cpus_each;
		for (unsigned cpu = 0; cpu < cpus_each; cpu++)
			rj_cpus_add(&topology->nodes[i].cpus,
				    i * cpus_each + cpu);
		for (unsigned j = 0; j < nodes; j++)
			topology->distance[i][j] = distance(i, j);
	}
}

void fake_query(void *user, const struct rj_block *block, const uint64_t *pages,
		size_t count, struct rj_page_place *ret)
{
	struct fake_memory *memory = user;

	(void)block;
	memory->asked += count;
	if (count > memory->most_at_once)
		memory->most_at_once = count;
	for (size_t i = 0; i < count; i++) {
		const int node = memory->node_of(pages[i]);

		ret[i] = (struct rj_page_place){
			.node = node < 0 ? node : 2 * node,
			.populated = !memory->unpopulated && node >= 0,
		};
	}
}
