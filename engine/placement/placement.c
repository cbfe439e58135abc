/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/placement/placement.h"

#include <errno.h>
#include <stdlib.h>

#include "util/error.h"

/* A node whose workers serve its memory, and that of others near it. */
struct group {
	int node;
	uint64_t weight;
	unsigned workers;
	unsigned homes;      /* of these workers have one */
	uint64_t first, end; /* positions */
};

struct plan {
	const struct rj_placement_wish *wish;
	const struct rj_topology *topology;
	unsigned node_count;
	unsigned home_count;
	struct group groups[RJ_NODES_MAX]; /* by ascending node */
	unsigned group_count;
	unsigned server[RJ_NODES_MAX];    /* the group of a node's memory */
	unsigned of[RAMJET_CHANNELS_MAX]; /* the group of a worker */
};

static uint64_t slice(uint64_t whole, unsigned part, unsigned parts)
{
	return (uint64_t)((unsigned __int128)whole * part / parts);
}

/* ---- which nodes' memory is served by whom ---- */

static void find_hosts(const struct plan *plan, bool host[RJ_NODES_MAX])
{
	for (unsigned i = 0; i < RJ_NODES_MAX; i++)
		host[i] = i < plan->node_count &&
			  plan->topology->nodes[i].cpu_count;
}

/* What each host would serve if there were workers enough. */
static enum rj_placed weigh(const struct plan *plan,
			    const bool host[RJ_NODES_MAX],
			    uint64_t weight[RJ_NODES_MAX])
{
	const struct rj_placement_wish *wish = plan->wish;
	uint64_t settled = 0, mixed = 0;

	for (size_t i = 0; i < wish->stretch_count; i++) {
		const struct rj_stretch *s = &wish->stretches[i];

		if (s->node == RJ_NODE_ANY) {
			mixed += s->weight;
			continue;
		}
		settled += s->weight;
		weight[rj_topology_nearest(plan->topology, (unsigned)s->node,
					   host)] += s->weight;
	}
	for (unsigned i = 0; mixed && i < plan->node_count; i++)
		weight[i] += host[i] ? mixed / plan->node_count + 1 : 0;
	if (settled || mixed)
		return settled ? RJ_PLACED_BY_MEMORY : RJ_PLACED_SPREAD;
	if (wish->nic_node == RJ_NODE_ANY || !host[wish->nic_node])
		return RJ_PLACED_ANYWHERE;
	weight[wish->nic_node] = 1;
	return RJ_PLACED_BY_NIC;
}

static unsigned count_weights(const uint64_t weight[RJ_NODES_MAX],
			      bool has[RJ_NODES_MAX])
{
	unsigned count = 0;

	for (unsigned i = 0; i < RJ_NODES_MAX; i++) {
		has[i] = weight[i] > 0;
		count += has[i];
	}
	return count;
}

/* Too few workers: the least memory goes to its nearest neighbour. */
static void merge_lightest(const struct plan *plan,
			   uint64_t weight[RJ_NODES_MAX],
			   bool has[RJ_NODES_MAX])
{
	unsigned least = 0;
	uint64_t moved;

	while (!has[least])
		least++;
	for (unsigned i = least + 1; i < plan->node_count; i++)
		if (has[i] && weight[i] <= weight[least])
			least = i;
	moved = weight[least];
	weight[least] = 0;
	has[least] = false;
	weight[rj_topology_nearest(plan->topology, least, has)] += moved;
}

static enum rj_placed form_groups(struct plan *plan)
{
	uint64_t weight[RJ_NODES_MAX] = { 0 };
	bool host[RJ_NODES_MAX], has[RJ_NODES_MAX];
	enum rj_placed how = RJ_PLACED_ANYWHERE;
	unsigned index[RJ_NODES_MAX] = { 0 };

	find_hosts(plan, host);
	if (plan->node_count &&
	    rj_topology_nearest(plan->topology, 0, host) != RJ_NODE_ANY)
		how = weigh(plan, host, weight);
	if (how == RJ_PLACED_ANYWHERE) {
		plan->groups[plan->group_count++].node = RJ_NODE_ANY;
		return how;
	}
	while (count_weights(weight, has) > plan->home_count)
		merge_lightest(plan, weight, has);
	for (unsigned i = 0; i < plan->node_count; i++) {
		if (!has[i])
			continue;
		index[i] = plan->group_count;
		plan->groups[plan->group_count++] = (struct group){
			.node = (int)i,
			.weight = weight[i],
		};
	}
	for (unsigned i = 0; i < plan->node_count; i++)
		plan->server[i] =
			index[rj_topology_nearest(plan->topology, i, has)];
	return how;
}

/* ---- which worker serves whom, and runs where ---- */

/* The node whose workers have the most memory each: it would be finished
 * last. */
static bool is_more_due(const struct group *a, const struct group *b)
{
	if (!a->workers && !b->workers)
		return a->weight > b->weight;
	return (unsigned __int128)a->weight * b->workers >
	       (unsigned __int128)b->weight * a->workers;
}

static unsigned most_due(const struct plan *plan)
{
	unsigned best = 0;

	for (unsigned i = 1; i < plan->group_count; i++)
		if (is_more_due(&plan->groups[i], &plan->groups[best]))
			best = i;
	return best;
}

static int node_to_run_on(const struct plan *plan, const struct rj_placement *p,
			  int home)
{
	bool free[RJ_NODES_MAX] = { false };
	int node;

	for (unsigned i = 0; i < plan->node_count; i++)
		free[i] = p->per_node[i] < plan->topology->nodes[i].cpu_count;
	node = rj_topology_nearest(plan->topology, (unsigned)home, free);
	return node == RJ_NODE_ANY ? home : node;
}

static void deal_workers(struct plan *plan, struct rj_placement *p)
{
	for (unsigned i = 0; i < p->worker_count; i++) {
		const unsigned group = most_due(plan);
		const int home = plan->groups[group].node;

		plan->of[i] = group;
		plan->groups[group].workers++;
		plan->groups[group].homes += i < p->home_count;
		p->homes[i].node = home;
		if (home == RJ_NODE_ANY)
			continue;
		p->homes[i].node = node_to_run_on(plan, p, home);
		p->per_node[p->homes[i].node]++;
	}
}

/* ---- positions and homes ---- */

static void append(struct rj_placement *p, const struct rj_stretch *s,
		   uint64_t from, uint64_t end)
{
	if (from == end)
		return;
	p->stretches[p->stretch_count] = *s;
	p->stretches[p->stretch_count].first_chunk = s->first_chunk + from;
	p->stretches[p->stretch_count].chunks = end - from;
	p->stretches[p->stretch_count].position = p->chunk_total;
	p->stretch_count++;
	p->chunk_total += end - from;
}

/* Memory of no node is shared out by homes. */
static void lay_out(struct plan *plan, struct rj_placement *p)
{
	const struct rj_placement_wish *wish = plan->wish;
	unsigned before = 0;

	for (unsigned g = 0; g < plan->group_count; g++) {
		struct group *group = &plan->groups[g];
		const unsigned after = before + group->homes;

		group->first = p->chunk_total;
		for (size_t i = 0; i < wish->stretch_count; i++) {
			const struct rj_stretch *s = &wish->stretches[i];

			if (s->node == RJ_NODE_ANY)
				append(p, s,
				       slice(s->chunks, before, p->home_count),
				       slice(s->chunks, after, p->home_count));
			else if (plan->server[s->node] == g)
				append(p, s, 0, s->chunks);
		}
		group->end = p->chunk_total;
		before = after;
	}
}

static void give_homes(const struct plan *plan, struct rj_placement *p)
{
	unsigned given[RJ_NODES_MAX] = { 0 };

	for (unsigned i = 0; i < p->home_count; i++) {
		const struct group *group = &plan->groups[plan->of[i]];
		const uint64_t chunks = group->end - group->first;
		const unsigned rank = given[plan->of[i]]++;

		p->homes[i].first =
			group->first + slice(chunks, rank, group->homes);
		p->homes[i].end =
			group->first + slice(chunks, rank + 1, group->homes);
	}
}

/* ---- whose home next ---- */

static int compare_keys(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Own home first, then by distance, then by number, from one's own on. */
static void order_homes(const struct plan *plan, struct rj_placement *p,
			unsigned worker)
{
	const unsigned count = p->home_count;
	uint32_t keys[RAMJET_CHANNELS_MAX];

	for (unsigned step = 0; step < count; step++) {
		const unsigned other = (worker + step) % count;
		const int node = plan->groups[plan->of[other]].node;
		uint32_t distance = 0;

		if (node != RJ_NODE_ANY && other != worker)
			distance =
				plan->topology
					->distance[p->homes[worker].node][node];
		keys[step] = distance << 16 | step;
	}
	qsort(keys, count, sizeof(keys[0]), compare_keys);
	for (unsigned i = 0; i < count; i++)
		p->order[worker * count + i] =
			(uint16_t)((worker + (keys[i] & 0xffff)) % count);
}

/* ---- by address ---- */

static int compare_addresses(const void *a, const void *b)
{
	const struct rj_stretch *x = *(const struct rj_stretch *const *)a;
	const struct rj_stretch *y = *(const struct rj_stretch *const *)b;

	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	return (x->first_chunk > y->first_chunk) -
	       (x->first_chunk < y->first_chunk);
}

static void sort_by_address(struct rj_placement *p)
{
	for (unsigned i = 0; i < p->stretch_count; i++)
		p->by_address[i] = &p->stretches[i];
	qsort(p->by_address, p->stretch_count, sizeof(struct rj_stretch *),
	      compare_addresses);
}

/* ---- */

static int allocate(struct plan *plan, struct rj_placement *p,
		    struct ramjet_error *err)
{
	const struct rj_placement_wish *wish = plan->wish;
	size_t most = 1;

	for (size_t i = 0; i < wish->stretch_count; i++)
		most += wish->stretches[i].node == RJ_NODE_ANY
				? plan->group_count
				: 1;
	p->worker_count = wish->worker_count;
	p->home_count = plan->home_count;
	p->stretches = calloc(most, sizeof(*p->stretches));
	p->by_address = calloc(most, sizeof(*p->by_address));
	p->homes = calloc(p->worker_count, sizeof(*p->homes));
	p->order = calloc((size_t)p->worker_count * p->home_count,
			  sizeof(*p->order));
	if (!p->stretches || !p->by_address || !p->homes || !p->order) {
		rj_placement_done(p);
		return rj_fail(err, -ENOMEM, "placement: out of memory");
	}
	return 0;
}

int rj_placement_init(struct rj_placement *placement,
		      const struct rj_placement_wish *wish,
		      struct ramjet_error *err)
{
	struct plan plan = {
		.wish = wish,
		.topology = wish->topology,
		.node_count = wish->topology ? wish->topology->node_count : 0,
		.home_count = wish->home_count ? wish->home_count
					       : wish->worker_count,
	};
	int rc;

	*placement = (struct rj_placement){ .how = form_groups(&plan) };
	rc = allocate(&plan, placement, err);
	if (rc)
		return rc;
	deal_workers(&plan, placement);
	lay_out(&plan, placement);
	give_homes(&plan, placement);
	for (unsigned i = 0; i < placement->worker_count; i++)
		order_homes(&plan, placement, i);
	sort_by_address(placement);
	return 0;
}

void rj_placement_done(struct rj_placement *placement)
{
	free(placement->stretches);
	free(placement->by_address);
	free(placement->homes);
	free(placement->order);
	*placement = (struct rj_placement){ 0 };
}

unsigned rj_placement_at(const struct rj_placement *placement,
			 uint64_t position)
{
	unsigned low = 0, high = placement->stretch_count;

	while (low < high) {
		const unsigned middle = low + (high - low) / 2;
		const struct rj_stretch *s = &placement->stretches[middle];

		if (s->position + s->chunks <= position)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct rj_stretch *rj_placement_find(const struct rj_placement *placement,
					   unsigned block, uint64_t chunk)
{
	unsigned low = 0, high = placement->stretch_count - 1;

	while (low < high) {
		const unsigned middle = low + (high - low) / 2;
		const struct rj_stretch *s = placement->by_address[middle];

		if (s->block < block ||
		    (s->block == block && s->first_chunk + s->chunks <= chunk))
			low = middle + 1;
		else
			high = middle;
	}
	return placement->by_address[low];
}
