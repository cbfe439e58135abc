/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/placement/numa.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/bit_memory.h"
#include "engine/placement/machine_nodes.h"
#include "engine/placement/nic.h"
#include "engine/placement/node_map.h"
#include "util/error.h"

#define ANYWHERE "no memory is bound to a node or there yet"

struct nic {
	int node; /* index, or RJ_NODE_ANY */
	char text[64];
};

static struct rj_node_view view_of(const struct rj_node_view *nodes)
{
	return nodes ? *nodes
		     : (struct rj_node_view){
			       .topology = rj_machine_topology(),
			       .query = rj_machine_query,
		       };
}

static struct nic find_nic(const struct rj_topology *topology, int fd)
{
	struct nic nic = { .node = RJ_NODE_ANY };
	char name[IF_NAMESIZE];
	int id;

	if (rj_nic_of(fd, name)) {
		(void)snprintf(nic.text, sizeof(nic.text), "no NIC");
		return nic;
	}
	id = rj_nic_node(RJ_NIC_FILES, name);
	nic.node = rj_topology_index(topology, id);
	if (id < 0)
		(void)snprintf(nic.text, sizeof(nic.text),
			       "NIC %s on an unknown node", name);
	else
		(void)snprintf(nic.text, sizeof(nic.text), "NIC %s on node %d",
			       name, id);
	return nic;
}

/* "workers per node: 3 + 1" */
static void print_workers(char *text, size_t bytes, const struct rj_numa *numa)
{
	size_t at = 0;

	for (unsigned i = 0; i < numa->topology->node_count && at < bytes; i++)
		at += (size_t)snprintf(text + at, bytes - at, "%s%u",
				       i ? " + " : "workers per node: ",
				       numa->placement.per_node[i]);
}

static void report_placement(const struct rj_env *env,
			     const struct rj_numa *numa,
			     const struct rj_node_map *map,
			     const struct nic *nic)
{
	static const char *const why[] = {
		[RJ_PLACED_ANYWHERE] = ANYWHERE,
		[RJ_PLACED_BY_MEMORY] = "",
		[RJ_PLACED_SPREAD] = "memory is interleaved; ",
		[RJ_PLACED_BY_NIC] = "no memory is there yet; ",
	};
	char chosen[32], workers[96], reason[256];

	print_workers(workers, sizeof(workers), numa);
	(void)snprintf(chosen, sizeof(chosen), "%u nodes",
		       numa->topology->node_count);
	if (numa->placement.how == RJ_PLACED_ANYWHERE) {
		(void)snprintf(chosen, sizeof(chosen), "no");
		workers[0] = '\0';
	}
	(void)snprintf(reason, sizeof(reason), "%s%s; %s",
		       why[numa->placement.how], workers, nic->text);
	if (map->mixed_blocks && numa->placement.how == RJ_PLACED_BY_MEMORY)
		(void)snprintf(reason, sizeof(reason),
			       "%s; %u blocks interleaved; %s", workers,
			       map->mixed_blocks, nic->text);
	rj_env_path(env, "numa", chosen, reason);
}

static int place(struct rj_numa *numa, const struct rj_env *env,
		 const struct rj_numa_wish *wish,
		 const struct rj_node_view *view, struct ramjet_error *err)
{
	const struct nic nic = find_nic(numa->topology, wish->fd);
	struct rj_placement_wish placement = {
		.topology = numa->topology,
		.worker_count = wish->worker_count,
		.home_count = wish->home_count,
		/* On a target, the first touch decides which node a page
		 * lies on: placing by the NIC would put the whole guest on
		 * its node. */
		.nic_node = wish->is_target ? RJ_NODE_ANY : nic.node,
	};
	struct rj_node_map map;
	int rc = rj_node_map_init(&map, view, wish->blocks, wish->block_count,
				  wish->is_target, err);

	if (rc)
		return rc;
	placement.stretches = map.stretches;
	placement.stretch_count = map.count;
	rc = rj_placement_init(&numa->placement, &placement, err);
	if (!rc)
		report_placement(env, numa, &map, &nic);
	rj_node_map_done(&map);
	return rc;
}

int rj_numa_init(struct rj_numa *numa, const struct rj_env *env,
		 const struct rj_numa_wish *wish, struct ramjet_error *err)
{
	struct rj_node_view view;
	struct rj_cpus allowed;
	int rc;

	*numa = (struct rj_numa){ 0 };
	if (rj_env_params(env).numa == RAMJET_NUMA_OFF) {
		rj_env_path(env, "numa", "off", "as asked for");
		return 0;
	}
	view = view_of(wish->nodes);
	if (view.topology->node_count < 2) {
		rj_env_path(env, "numa", "off", view.topology->reason);
		return 0;
	}
	rc = rj_cpus_allowed(&allowed);
	if (rc) {
		rj_env_path(env, "numa", "off",
			    "the kernel does not tell our CPUs");
		return 0;
	}
	numa->topology = malloc(sizeof(*numa->topology));
	if (!numa->topology)
		return rj_fail(err, -ENOMEM, "numa: out of memory");
	memcpy(numa->topology, view.topology, sizeof(*numa->topology));
	rj_topology_restrict(numa->topology, &allowed);
	rc = place(numa, env, wish, &view, err);
	if (rc)
		rj_numa_done(numa);
	return rc;
}

void rj_numa_done(struct rj_numa *numa)
{
	rj_placement_done(&numa->placement);
	free(numa->topology);
	*numa = (struct rj_numa){ 0 };
}

const struct rj_cpus *rj_numa_cpus(const struct rj_numa *numa, unsigned worker)
{
	int node;

	if (!numa->placement.worker_count)
		return NULL;
	node = numa->placement.homes[worker].node;
	return node == RJ_NODE_ANY ? NULL : &numa->topology->nodes[node].cpus;
}

void rj_numa_place_maps(const struct rj_numa *numa,
			const struct rj_bitmap *maps)
{
	for (unsigned i = 0; i < numa->placement.stretch_count; i++) {
		const struct rj_stretch *s = &numa->placement.stretches[i];
		_Atomic uint64_t *words =
			&maps[s->block].words[s->first_chunk * RJ_CHUNK_WORDS];

		if (s->node == RJ_NODE_ANY)
			continue;
		rj_bit_memory_prefer((void *)words,
				     s->chunks * RJ_CHUNK_WORDS *
					     sizeof(*words),
				     numa->topology->nodes[s->node].id);
	}
}

int rj_numa_settle(const struct rj_env *env, const struct rj_cpus *cpus,
		   struct ramjet_error *err)
{
	const int rc = cpus ? rj_cpus_run_on(cpus) : 0;
	char reason[96];

	if (!rc)
		return 0;
	if (rj_env_params(env).strict)
		return rj_fail_errno(err, rc,
				     "strict: numa: sched_setaffinity");
	(void)snprintf(reason, sizeof(reason), "sched_setaffinity: %s",
		       strerrordesc_np(-rc));
	rj_env_path(env, "numa pinning", "no", reason);
	return 0;
}
