/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/placement/machine_nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <numa.h>
#include <numaif.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/bits.h"
#include "util/cleanup.h"
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

/* libnuma would print a warning of its own about a file it cannot open, such
 * as when no descriptor is left, and guess. So its files are read here. */
static int read_file(unsigned node, const char *name, char *text, size_t bytes)
{
	char path[sizeof(NODE_FILES) + 48];
	rj_autoclose int fd = -1;
	ssize_t got;

	(void)snprintf(path, sizeof(path), NODE_FILES "/node%u/%s", node, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, text, bytes - 1);
	if (got < 0)
		return -errno;
	text[got] = '\0';
	return 0;
}

static void add_cpus(struct rj_node *node, unsigned long first,
		     unsigned long last)
{
	for (unsigned long cpu = first; cpu <= last && cpu < RJ_CPUS_MAX;
	     cpu++) {
		rj_cpus_add(&node->cpus, (unsigned)cpu);
		node->cpu_count++;
	}
}

/* "0-3,8" */
static int read_cpus(struct rj_node *node)
{
	char text[4096];
	char *at = text;
	int rc = read_file(node->id, "cpulist", text, sizeof(text));

	while (!rc && *at >= '0' && *at <= '9') {
		const unsigned long first = strtoul(at, &at, 10);

		add_cpus(node, first,
			 *at == '-' ? strtoul(at + 1, &at, 10) : first);
		at += *at == ',';
	}
	return rc;
}

/* "10 21": one of each node that is online, in the order of their ids. */
static int read_distances(unsigned from)
{
	char text[4096];
	char *at = text;
	int rc = read_file(machine.nodes[from].id, "distance", text,
			   sizeof(text));

	for (unsigned to = 0; to < machine.node_count; to++) {
		const unsigned long distance = rc ? 0 : strtoul(at, &at, 10);

		if (distance > 0 && distance <= UINT8_MAX)
			machine.distance[from][to] = (uint8_t)distance;
		else
			machine.distance[from][to] =
				from == to ? RJ_DISTANCE_LOCAL
					   : RJ_DISTANCE_OTHER;
	}
	return rc;
}

static int read_nodes(void)
{
	int rc = 0;

	machine.node_count = 0;
	for (int id = 0; id <= numa_max_node() && !rc; id++) {
		if (!numa_bitmask_isbitset(numa_nodes_ptr, (unsigned)id) ||
		    machine.node_count == RJ_NODES_MAX)
			continue;
		machine.nodes[machine.node_count].id = (unsigned)id;
		rc = read_cpus(&machine.nodes[machine.node_count++]);
	}
	for (unsigned i = 0; i < machine.node_count && !rc; i++)
		rc = read_distances(i);
	return rc;
}

static void read_machine(void)
{
	int rc;

	rj_topology_single(&machine, "one node");
	if (access(NODE_FILES, R_OK)) {
		machine.reason = "no " NODE_FILES;
		return;
	}
	if (numa_available() < 0) {
		machine.reason = "the kernel has no NUMA calls, or forbids "
				 "them";
		return;
	}
	rc = read_nodes();
	if (rc == -EMFILE || rc == -ENFILE)
		rj_topology_single(
			&machine, "no descriptor was left to read " NODE_FILES);
	else if (rc)
		rj_topology_single(&machine, NODE_FILES " cannot be read");
	else if (!machine.node_count)
		rj_topology_single(&machine, "libnuma knows no node");
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
	/* Of several nodes, the kernel takes the one nearest to the thread that
	 * writes first. */
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
	if (!block->host) {
		/* Not mapped here: nobody to ask. */
		for (size_t i = 0; i < count; i++)
			ret[i] = (struct rj_page_place){ .node = RJ_NODE_ANY };
		return;
	}
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
