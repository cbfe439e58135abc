/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/copies.h"

#include "engine/page/delta_cache.h"
#include "util/memory_limit.h"

#define DELTAS (1u << RJ_RUN_DELTA | 1u << RJ_RUN_SAME)

static int new_cache(struct rj_source_lanes *lanes,
		     const struct rj_source_pages *pages,
		     const struct ramjet_guest *guest, const struct rj_env *env,
		     struct ramjet_error *err)
{
	struct rj_delta_cache_options options = {
		.blocks = guest->blocks,
		.block_count = guest->block_count,
		.left_by_all = &pages->rounds.left_by_all,
		.applied = lanes->may_be_lost ? &pages->applied : NULL,
	};
	struct rj_memory_limit limit;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < guest->block_count; i++)
		bytes += guest->blocks[i].bytes;
	rj_memory_limit_read(&limit);
	options.bytes = rj_delta_cache_budget(
		bytes, rj_env_params(env).delta_cache_bytes, &limit);
	return rj_delta_cache_new(&options, &lanes->reduction.deltas, err);
}

void rj_copies_begin(struct rj_source_lanes *lanes,
		     const struct rj_source_pages *pages,
		     const struct ramjet_guest *guest, const struct rj_env *env)
{
	struct rj_reduction *reduction = &lanes->reduction;
	struct ramjet_error err = { 0 };
	const char *why = NULL;

	if (rj_env_params(env).deltas == RAMJET_DELTAS_OFF)
		why = "as asked for";
	else if ((reduction->kinds & DELTAS) != DELTAS)
		why = "the target does not take them";
	else if (new_cache(lanes, pages, guest, env, &err))
		why = err.message;
	if (!why) {
		rj_env_path_now(env, "deltas", "off",
				"pages leave too fast for it, so far");
		return;
	}
	/* One of these is nothing without the other. */
	reduction->kinds &= ~DELTAS;
	rj_env_path_now(env, "deltas", "none", why);
}

void rj_copies_end(struct rj_source_lanes *lanes)
{
	rj_delta_cache_free(lanes->reduction.deltas);
	lanes->reduction.deltas = NULL;
}
