/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/guest/backing.h"
#include "engine/guest/region.h"
#include "engine/send/marks.h"
#include "engine/source/collect.h"
#include "engine/source/hot_pages.h"
#include "util/clock.h"
#include "util/error.h"

static int start_tracking(struct rj_source_pages *pages,
			  const struct ramjet_guest *guest,
			  struct ramjet_error *err)
{
	int rc;

	pages->regions = calloc(guest->block_count, sizeof(*pages->regions));
	if (!pages->regions)
		return rj_fail(err, -ENOMEM, "session: out of memory");
	for (unsigned i = 0; i < guest->block_count; i++) {
		rj_backing_note(&guest->blocks[i]);
		pages->regions[i] = rj_block_region(&guest->blocks[i]);
	}
	for (unsigned i = 0; i < guest->block_count; i++) {
		rc = rj_backing_check(&guest->blocks[i], 0,
				      guest->blocks[i].page_count, err);
		if (rc)
			return rc;
	}
	rc = rj_dirty_set_start(&pages->dirty, guest->sources,
				guest->source_count, pages->regions,
				guest->block_count, err);
	pages->tracking = !rc;
	pages->synced_us = rj_now_us();
	return rc;
}

static bool has_pagemap(const struct ramjet_guest *guest)
{
	for (unsigned i = 0; i < guest->source_count; i++)
		if (rj_dirty_is_pagemap(guest->sources[i]))
			return true;
	return false;
}

/* Called after tracking began. The pagemap source has registered all memory
 * with its own userfaultfd, and the kernel allows no second: so nothing is
 * filled lazily. */
static int look_lazy(struct rj_source_pages *pages,
		     const struct ramjet_guest *guest, struct ramjet_error *err)
{
	if (!has_pagemap(guest))
		return rj_blocks_look_lazy(guest->blocks, guest->block_count,
					   &pages->lazy, err);
	pages->lazy = calloc(guest->block_count, sizeof(*pages->lazy));
	return pages->lazy ? 0
			   : rj_fail(err, -ENOMEM, "session: out of memory");
}

enum rj_digest_of rj_memory_digest_of(const struct rj_env *env)
{
	return rj_env_params(env).verify_all ? RJ_DIGEST_OF_ALL
					     : RJ_DIGEST_OF_POPULATED;
}

/* Round 0 is everything that holds something, which the workers find. */
static int begin_first_round(struct rj_source_pages *pages,
			     const struct ramjet_guest *guest,
			     const struct rj_env *env, struct ramjet_error *err)
{
	int rc = look_lazy(pages, guest, err);

	if (rc)
		return rc;
	/* What was discarded since tracking began is sent in any case. */
	(void)rj_rounds_sink(&pages->rounds);
	pages->first_look = (struct rj_first_look){
		.env = env,
		.blocks = guest->blocks,
		.block_count = guest->block_count,
		.dirty = &pages->dirty,
		.regions = pages->regions,
		.lazy = pages->lazy,
		.untouched_pages = pages->untouched,
	};
	rc = rj_first_look_open(&pages->first_look, &pages->rounds, err);
	if (rc)
		return rc;
	rj_lock(env->lock);
	env->stats->remaining_pages = rj_memory_remaining(pages);
	env->stats->known |= RAMJET_KNOWN_REMAINING;
	rj_unlock(env->lock);
	return 0;
}

uint64_t rj_memory_remaining(const struct rj_source_pages *pages)
{
	const uint64_t most = rj_rounds_remaining(&pages->rounds);
	const uint64_t hardly = rj_first_look_hardly(&pages->first_look);

	return most > hardly ? most - hardly : 0;
}

static void predict_digests(struct rj_outgoing *out)
{
	const bool of_all = rj_memory_digest_of(&out->env) == RJ_DIGEST_OF_ALL;
	struct rj_first_look *look = &out->pages.first_look;
	const uint64_t empty = rj_first_look_empty(look);
	struct rj_digest_trial trial = { 0 };
	uint64_t pages = 0;

	for (unsigned i = 0; i < look->block_count; i++) {
		rj_first_look_try_digest(look, i, &trial);
		pages += look->blocks[i].page_count;
	}
	out->handover.digests_us =
		rj_digest_predict_us(&trial, pages - empty, of_all ? empty : 0,
				     out->lanes.plan.cpus.cpus);
}

void rj_memory_found_first(struct rj_outgoing *out)
{
	if (rj_env_params(&out->env).verify)
		predict_digests(out);
	rj_lock(out->env.lock);
	out->env.stats->unpopulated_pages =
		rj_first_look_empty(&out->pages.first_look);
	rj_unlock(out->env.lock);
}

/* The control link, or what carries everything. */
static int a_connection(const struct rj_outgoing *out)
{
	return out->session.control.fd >= 0 ? out->session.control.fd
					    : out->lanes.senders[0].conn.fd;
}

static int place_workers(struct rj_outgoing *out, struct ramjet_error *err)
{
	const struct rj_numa_wish wish = {
		.blocks = out->vmm.guest->blocks,
		.block_count = out->vmm.guest->block_count,
		.worker_count = out->lanes.channel_count,
		.home_count = out->lanes.plan.first,
		.fd = a_connection(out),
		.nodes = out->vmm.guest->nodes,
	};
	int rc = rj_numa_init(&out->lanes.numa, &out->env, &wish, err);

	if (rc || !out->lanes.numa.placement.worker_count)
		return rc;
	rj_rounds_place(&out->pages.rounds, &out->lanes.numa.placement);
	rj_numa_place_maps(&out->lanes.numa, out->pages.rounds.maps[0]);
	rj_numa_place_maps(&out->lanes.numa, out->pages.rounds.maps[1]);
	return 0;
}

/* What is not mapped here is copied before it is sent. */
static void report_memory(const struct ramjet_guest *guest,
			  const struct rj_env *env)
{
	const struct rj_block *example = NULL;
	unsigned foreign = 0;
	char reason[128];

	for (unsigned i = 0; i < guest->block_count; i++) {
		if (!guest->blocks[i].foreign)
			continue;
		if (!foreign++)
			example = &guest->blocks[i];
	}
	if (!example)
		return;
	(void)snprintf(reason, sizeof(reason), "block %s: %s", example->name,
		       example->foreign->name);
	rj_env_path(env, "memory",
		    foreign == guest->block_count ? "by operations" : "mixed",
		    reason);
}

int rj_memory_prepare(struct rj_outgoing *out, struct ramjet_error *err)
{
	struct ramjet_guest *guest = out->vmm.guest;
	int rc = rj_rounds_init(&out->pages.rounds, guest->blocks,
				guest->block_count, out->lanes.channel_count,
				out->env.event_fd, err);

	if (!rc)
		rc = rj_rounds_set_homes(&out->pages.rounds,
					 out->lanes.plan.first, err);
	if (!rc)
		rc = place_workers(out, err);
	if (rc)
		return rc;
	report_memory(guest, &out->env);
	rj_rounds_listen(&out->pages.rounds, guest);
	/* Tracking first: what is populated later then shows up as dirty. */
	rc = start_tracking(&out->pages, guest, err);
	if (!rc)
		rc = rj_collect_begin(&out->pages, err);
	if (!rc)
		rc = rj_hot_pages_begin(&out->pages, &out->env, err);
	if (!rc && rj_dirty_set_needs_rearm(&out->pages.dirty))
		rc = rj_rounds_rearm(&out->pages.rounds, err);
	return rc ? rc : begin_first_round(&out->pages, guest, &out->env, err);
}

void rj_memory_stop_tracking(struct rj_source_pages *pages,
			     struct ramjet_guest *guest,
			     const struct rj_env *env)
{
	rj_collect_end(pages, env);
	if (pages->rounds.worker_count)
		rj_guest_listen(guest, NULL, NULL);
	if (pages->tracking)
		rj_dirty_set_stop(&pages->dirty);
	pages->tracking = false;
}
