/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PLACEMENT_PLACEMENT_H
#define RJ_ENGINE_PLACEMENT_PLACEMENT_H
/*
 * Which worker runs on which NUMA node, and which chunks are home to it.
 *
 * Positions  All chunks of all blocks are put in one order: node by node, by
 *            address within. A worker's home is a slice of that order. With
 *            nothing known of nodes, position and address are the same.
 * Workers    are dealt one by one to the node whose workers have most memory
 *            each: so each node with memory has one, if there are enough, and
 *            any first few of them are dealt in proportion, too.
 * Memory     of nodes without CPUs of ours, or for which no worker is left,
 *            is served by the nearest node that has one.
 * CPUs       A worker whose node has a worker on every CPU already runs on the
 *            nearest node with a free one: far memory costs less than half a
 *            CPU.
 * Stealing   goes to the nearest memory first.
 * Homeless   If only the first few workers are given homes, the others are
 *            dealt to nodes just the same, and live by stealing.
 *
 * Pure policy, on injected topologies.
 */
#include <stddef.h>
#include <stdint.h>

#include "engine/placement/topology.h"
#include "ramjet.h"
#include "util/compiler.h"

/* Adjacent chunks of one block on one node. */
struct rj_stretch {
	unsigned block;
	int node; /* index, or RJ_NODE_ANY: unknown, or on several */
	uint64_t first_chunk; /* in its block */
	uint64_t chunks;
	uint64_t weight;   /* of these, those that call for workers */
	uint64_t position; /* of the first; set by the placement */
};

struct rj_home {
	uint64_t first, end; /* positions */
	int node;            /* where its worker runs; RJ_NODE_ANY: anywhere */
};

enum rj_placed {
	RJ_PLACED_ANYWHERE, /* nothing speaks for a node */
	RJ_PLACED_BY_MEMORY,
	RJ_PLACED_SPREAD, /* the memory lies on several nodes, mixed */
	RJ_PLACED_BY_NIC,
};

struct rj_placement {
	enum rj_placed how;
	unsigned worker_count;
	unsigned stretch_count;
	uint64_t chunk_total;
	struct rj_stretch *stretches; /* by position */
	const struct rj_stretch **by_address;
	struct rj_home *homes; /* one a worker */
	unsigned home_count;   /* those after it are empty */
	/* A row of home_count for each worker: whose homes to claim from. */
	uint16_t *order;
	unsigned per_node[RJ_NODES_MAX]; /* workers that run there */
};

struct rj_placement_wish {
	const struct rj_topology *topology; /* NULL: one node */
	const struct rj_stretch *stretches; /* by block, then chunk */
	size_t stretch_count;
	unsigned worker_count; /* 1 to RAMJET_CHANNELS_MAX */
	unsigned home_count;   /* only the first ones have homes; 0: all */
	/* Where to run if no memory speaks for a node; or RJ_NODE_ANY. */
	int nic_node;
};

/* Borrows nothing. */
RJ_NODISCARD int rj_placement_init(struct rj_placement *placement,
				   const struct rj_placement_wish *wish,
				   struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_placement_done(struct rj_placement *placement);

/* The stretch at a position (stretch_count: none). */
unsigned rj_placement_at(const struct rj_placement *placement,
			 uint64_t position);
/* The stretch that a chunk of a block is in. */
const struct rj_stretch *rj_placement_find(const struct rj_placement *placement,
					   unsigned block, uint64_t chunk);
#endif
