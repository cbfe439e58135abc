/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/placement/node_map.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "dirty/bitmap.h"
#include "util/bits.h"
#include "util/error.h"

/* A block whose samples agree with their neighbours less than this is mixed
 * (decision 014): no node is right for it. */
#define AGREE_PERCENT 75u

/* Neighbouring samples, and what most of them say. */
struct window {
	int node;        /* index; RJ_NODE_ANY when none is known */
	unsigned known;  /* samples on some node, or several */
	unsigned agreed; /* with `node` */
	uint64_t first_chunk, chunks, weight;
};

struct survey {
	const struct rj_node_view *view;
	const struct rj_block *block;
	bool bound_counts;
	uint64_t chunk_count;
	uint64_t stride; /* chunks a sample stands for */
	uint64_t sample_count;
};

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t chunks_of(const struct survey *survey, uint64_t sample)
{
	return lesser(survey->stride,
		      survey->chunk_count - sample * survey->stride);
}

/*
 * Some page of what the sample stands for: not the first, since what is
 * interleaved with the same period would seem to lie on one node.
 */
static uint64_t page_of(const struct survey *survey, uint64_t sample)
{
	const uint64_t first = sample * survey->stride * RJ_CHUNK_PAGES;
	const uint64_t pages = lesser(survey->stride * RJ_CHUNK_PAGES,
				      survey->block->page_count - first);
	uint64_t x = (sample + 1) * UINT64_C(0x9e3779b97f4a7c15);

	x ^= x >> 31;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 29;
	return first + x % pages;
}

/* Samples [first, first + count) have been found at `places`. */
static void decide(const struct survey *survey, struct window *window,
		   uint64_t first, size_t count,
		   const struct rj_page_place *places)
{
	unsigned votes[RJ_NODES_MAX] = { 0 };

	*window = (struct window){
		.node = RJ_NODE_ANY,
		.first_chunk = first * survey->stride,
	};
	for (size_t i = 0; i < count; i++) {
		const int node = rj_topology_index(survey->view->topology,
						   places[i].node);
		const uint64_t chunks = chunks_of(survey, first + i);

		window->chunks += chunks;
		if (node == RJ_NODE_ANY && places[i].node != RJ_NODE_SPREAD)
			continue;
		window->known++;
		if (places[i].populated || survey->bound_counts)
			window->weight += chunks;
		if (node != RJ_NODE_ANY && ++votes[node] > window->agreed) {
			window->agreed = votes[node];
			window->node = node;
		}
	}
}

static void ask(const struct survey *survey, struct window *windows)
{
	struct rj_page_place places[RJ_QUERY_MAX];
	uint64_t pages[RJ_QUERY_MAX];
	uint64_t at = 0;

	static_assert(RJ_QUERY_MAX % RJ_SAMPLES_WINDOW == 0, "whole windows");
	while (at < survey->sample_count) {
		const size_t count =
			(size_t)lesser(RJ_QUERY_MAX, survey->sample_count - at);

		for (size_t i = 0; i < count; i++)
			pages[i] = page_of(survey, at + i);
		survey->view->query(survey->view->user, survey->block, pages,
				    count, places);
		for (size_t i = 0; i < count; i += RJ_SAMPLES_WINDOW)
			decide(survey, windows++, at + i,
			       (size_t)lesser(RJ_SAMPLES_WINDOW, count - i),
			       &places[i]);
		at += count;
	}
}

static void append(struct rj_node_map *map, unsigned block, int node,
		   const struct window *window, bool may_join)
{
	if (may_join && map->stretches[map->count - 1].node == node) {
		map->stretches[map->count - 1].chunks += window->chunks;
		map->stretches[map->count - 1].weight += window->weight;
		return;
	}
	map->stretches[map->count++] = (struct rj_stretch){
		.block = block,
		.node = node,
		.first_chunk = window->first_chunk,
		.chunks = window->chunks,
		.weight = window->weight,
	};
}

/* Where nothing is known, memory goes with what is before it, or after. */
static void cut(struct rj_node_map *map, unsigned block,
		const struct window *windows, size_t count)
{
	unsigned known = 0, agreed = 0;
	int node = RJ_NODE_ANY;
	bool is_mixed;

	for (size_t i = 0; i < count; i++) {
		known += windows[i].known;
		agreed += windows[i].agreed;
		if (node == RJ_NODE_ANY)
			node = windows[i].node;
	}
	is_mixed = agreed * 100 < known * AGREE_PERCENT;
	map->mixed_blocks += is_mixed;
	if (is_mixed)
		node = RJ_NODE_ANY;
	for (size_t i = 0; i < count; i++) {
		if (!is_mixed && windows[i].node != RJ_NODE_ANY)
			node = windows[i].node;
		append(map, block, node, &windows[i], i);
	}
}

static uint64_t chunks_in(const struct rj_block *block)
{
	return rj_div_round_up(block->page_count, RJ_CHUNK_PAGES);
}

static int survey_block(struct rj_node_map *map, unsigned index,
			struct survey *survey, struct ramjet_error *err)
{
	struct rj_stretch *more;
	struct window *windows;
	size_t count;

	survey->chunk_count = chunks_in(survey->block);
	survey->sample_count =
		rj_div_round_up(survey->chunk_count, survey->stride);
	count = (size_t)rj_div_round_up(survey->sample_count,
					RJ_SAMPLES_WINDOW);
	windows = calloc(count, sizeof(*windows));
	more = realloc(map->stretches, (map->count + count) * sizeof(*more));
	if (more)
		map->stretches = more;
	if (!windows || !more) {
		free(windows);
		return rj_fail(err, -ENOMEM, "numa: out of memory");
	}
	ask(survey, windows);
	cut(map, index, windows, count);
	free(windows);
	return 0;
}

int rj_node_map_init(struct rj_node_map *map, const struct rj_node_view *view,
		     const struct rj_block *blocks, unsigned block_count,
		     bool bound_counts, struct ramjet_error *err)
{
	uint64_t chunks = 0;
	int rc = 0;

	*map = (struct rj_node_map){ 0 };
	for (unsigned i = 0; i < block_count; i++)
		chunks += chunks_in(&blocks[i]);
	for (unsigned i = 0; !rc && i < block_count; i++) {
		struct survey survey = {
			.view = view,
			.block = &blocks[i],
			.bound_counts = bound_counts,
			.stride = rj_div_round_up(chunks, RJ_SAMPLES_MAX),
		};

		rc = survey_block(map, i, &survey, err);
	}
	if (rc)
		rj_node_map_done(map);
	return rc;
}

void rj_node_map_done(struct rj_node_map *map)
{
	free(map->stretches);
	*map = (struct rj_node_map){ 0 };
}
