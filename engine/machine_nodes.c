/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/machine_nodes.h"

#include <errno.h>
#include <linux/magic.h>
#include <numa.h>
#include <numaif.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/bits.h"
#include "util/compiler.h"

#define NODE_FILES "/sys/devices/system/node"
/* The kernel's own limit; it refuses masks of fewer nodes than it has. */
#define NODE_IDS_MAX 1024u
/* numaif.h has neither: flags that come with a mode, and a mode of 6.9. */
#define MODE_FLAGS          (7 << 13)
#define WEIGHTED_INTERLEAVE 6

/* Immutable once read. */
static struct rj_topology machine;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- topology ---- */

static void read_cpus(struct rj_node *node)
{
	struct bitmask *mask = numa_allocate_cpumask();

	if (numa_node_to_cpus((int)node->id, mask)) {
		numa_free_cpumask(mask);
		return;
	}
	for (unsigned cpu = 0; cpu < mask->size && cpu < RJ_CPUS_MAX; cpu++) {
		if (!numa_bitmask_isbitset(mask, cpu))
			continue;
		rj_cpus_add(&node->cpus, cpu);
		node->cpu_count++;
	}
	numa_free_cpumask(mask);
}

static void read_distances(void)
{
	for (unsigned i = 0; i < machine.node_count; i++)
		for (unsigned j = 0; j < machine.node_count; j++) {
			const int distance =
				numa_distance((int)machine.nodes[i].id,
					      (int)machine.nodes[j].id);

			if (distance > 0 && distance <= UINT8_MAX)
				machine.distance[i][j] = (uint8_t)distance;
			else
				machine.distance[i][j] =
					i == j ? RJ_DISTANCE_LOCAL
					       : RJ_DISTANCE_OTHER;
		}
}

static void read_machine(void)
{
	rj_topology_single(&machine, "one node");
	/* Without them libnuma would print that it has to guess. */
	if (access(NODE_FILES, R_OK)) {
		machine.reason = "no " NODE_FILES;
		return;
	}
	if (numa_available() < 0) {
		machine.reason = "the kernel has no NUMA calls, or forbids "
				 "them";
		return;
	}
	machine.node_count = 0;
	for (int id = 0; id <= numa_max_node(); id++) {
		if (!numa_bitmask_isbitset(numa_nodes_ptr, (unsigned)id) ||
		    machine.node_count == RJ_NODES_MAX)
			continue;
		machine.nodes[machine.node_count].id = (unsigned)id;
		read_cpus(&machine.nodes[machine.node_count++]);
	}
	if (!machine.node_count)
		rj_topology_single(&machine, "libnuma knows no node");
	read_distances();
}

const struct rj_topology *rj_machine_topology(void)
{
	(void)pthread_once(&once, read_machine);
	return &machine;
}

/* ---- where pages are ---- */

struct question {
	void *at[RJ_QUERY_MAX];
	int status[RJ_QUERY_MAX]; /* node, or negative errno */
	size_t count;
};

/* With nodes == NULL it moves nothing, and tells of absent pages that they are
 * absent. */
static void ask_kernel(struct question *q)
{
	if (!q->count || !move_pages(0, q->count, q->at, NULL, q->status, 0))
		return;
	for (size_t i = 0; i < q->count; i++)
		q->status[i] = -errno;
}

static bool is_tmpfs(const struct rj_block *block)
{
	struct statfs fs;

	return block->fd >= 0 && !fstatfs(block->fd, &fs) &&
	       fs.f_type == TMPFS_MAGIC;
}

/* A page of the file exists, but not for us: then reading maps it. */
static bool map_existing(const struct rj_block *block, uint64_t page)
{
	const uint64_t offset = block->fd_offset + page * RAMJET_PAGE_BYTES;

	return lseek(block->fd, (off_t)offset, SEEK_DATA) == (off_t)offset &&
	       !madvise(block->host + page * RAMJET_PAGE_BYTES,
			RAMJET_PAGE_BYTES, MADV_POPULATE_READ);
}

static void look_behind(const struct rj_block *block, const uint64_t *pages,
			struct question *q)
{
	struct question again = { .count = 0 };
	size_t which[RJ_QUERY_MAX];

	for (size_t i = 0; i < q->count; i++) {
		if (q->status[i] != -ENOENT || !map_existing(block, pages[i]))
			continue;
		which[again.count] = i;
		again.at[again.count++] = q->at[i];
	}
	ask_kernel(&again);
	for (size_t i = 0; i < again.count; i++)
		q->status[which[i]] = again.status[i];
}

/* Where a page that is not there yet is bound to go. */
static int bound_node(void *at)
{
	const unsigned word_bits = 8 * sizeof(unsigned long);
	unsigned long mask[NODE_IDS_MAX / (8 * sizeof(unsigned long))] = { 0 };
	int mode, node = RJ_NODE_ANY;

	if (get_mempolicy(&mode, mask, NODE_IDS_MAX, at, MPOL_F_ADDR))
		return RJ_NODE_ANY;
	mode &= ~MODE_FLAGS;
	if (mode == MPOL_INTERLEAVE || mode == WEIGHTED_INTERLEAVE)
		return RJ_NODE_SPREAD;
	if (mode != MPOL_BIND && mode != MPOL_PREFERRED &&
	    mode != MPOL_PREFERRED_MANY)
		return RJ_NODE_ANY;
	/* Of several, the kernel takes the one near to who writes first. */
	for (unsigned i = 0; i < NODE_IDS_MAX; i++) {
		if (!(mask[i / word_bits] >> i % word_bits & 1))
			continue;
		if (node != RJ_NODE_ANY)
			return RJ_NODE_ANY;
		node = (int)i;
	}
	return node;
}

void rj_machine_query(void *user, const struct rj_block *block,
		      const uint64_t *pages, size_t count,
		      struct rj_page_place *ret)
{
	struct question q = { .count = count };

	(void)user;
	for (size_t i = 0; i < count; i++)
		q.at[i] = block->host + pages[i] * RAMJET_PAGE_BYTES;
	ask_kernel(&q);
	if (is_tmpfs(block))
		look_behind(block, pages, &q);
	for (size_t i = 0; i < count; i++) {
		ret[i].populated = q.status[i] >= 0;
		ret[i].node =
			q.status[i] >= 0 ? q.status[i] : bound_node(q.at[i]);
	}
}
