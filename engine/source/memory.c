/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/memory.h"

#include <errno.h>
#include <stdlib.h>

#include "dirty/populated.h"
#include "engine/guest/backing.h"
#include "engine/guest/region.h"
#include "engine/send/marks.h"
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
	for (unsigned i = 0; !rc && i < guest->block_count; i++)
		if (rj_dirty_set_needs_arm(&pages->dirty))
			rc = rj_dirty_set_arm(&pages->dirty, i, 0,
					      guest->blocks[i].page_count, err);
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

static int scan_block(const struct rj_source_pages *pages, unsigned index,
		      struct rj_bitmap *bm, const struct rj_env *env,
		      struct ramjet_error *err)
{
	enum rj_populated_method method = RJ_POPULATED_ALL;
	const char *reason = pages->lazy[index];
	int rc = 0;

	if (reason)
		(void)rj_bitmap_set_run(bm, 0,
					pages->regions[index].page_count);
	else
		rc = rj_populated_scan(&pages->regions[index], bm, &method,
				       &reason, err);
	if (!rc)
		rj_env_path(env, "populated map",
			    rj_populated_method_name(method),
			    reason ? reason : "");
	return rc;
}

static void predict_digests(struct rj_outgoing *out,
			    const struct rj_digest_trial *trial, uint64_t held)
{
	const bool of_all = rj_memory_digest_of(&out->env) == RJ_DIGEST_OF_ALL;

	if (rj_env_params(&out->env).verify)
		out->handover.digests_us = rj_digest_predict_us(
			trial, held, of_all ? out->pages.unpopulated_pages : 0,
			out->lanes.plan.cpus.cpus);
}

/* Round 0 is everything that holds something. */
static int fill_first_round(struct rj_outgoing *out, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = out->vmm.guest;
	struct rj_source_pages *pages = &out->pages;
	struct rj_statistics *stats = out->env.stats;
	struct rj_bitmap *const *sink = rj_rounds_sink(&pages->rounds);
	/* Discarded since tracking began: marked, and counted, already. */
	const uint64_t marked = rj_rounds_next_pages(&pages->rounds);
	uint64_t held_all = 0, total = 0, held;
	struct rj_digest_trial trial = { 0 };
	int rc = look_lazy(pages, guest, err);

	if (rc)
		return rc;
	for (unsigned i = 0; i < guest->block_count; i++) {
		rc = scan_block(pages, i, sink[i], &out->env, err);
		if (rc)
			return rc;
		held = rj_bitmap_count(sink[i]);
		held_all += held;
		rj_count(&pages->untouched[i],
			 pages->regions[i].page_count - held);
		if (rj_env_params(&out->env).verify)
			rj_digest_try(&trial, &guest->blocks[i], sink[i]);
		total += pages->regions[i].page_count;
	}
	pages->unpopulated_pages = total - held_all;
	predict_digests(out, &trial, held_all);
	rj_rounds_filled(&pages->rounds, held_all - marked);
	rj_lock(out->env.lock);
	stats->unpopulated_pages = pages->unpopulated_pages;
	stats->remaining_pages = held_all;
	stats->known |= RAMJET_KNOWN_REMAINING;
	rj_unlock(out->env.lock);
	return 0;
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

	if (!rc && out->lanes.numa.placement.worker_count)
		rj_rounds_place(&out->pages.rounds, &out->lanes.numa.placement);
	return rc;
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
	rj_rounds_listen(&out->pages.rounds, guest);
	/* Tracking first: what is populated later then shows up as dirty. */
	rc = start_tracking(&out->pages, guest, err);
	return rc ? rc : fill_first_round(out, err);
}

int rj_memory_collect(struct rj_source_pages *pages,
		      struct rj_estimate *estimate, bool last,
		      const struct rj_env *env, uint64_t *ret_pages,
		      struct ramjet_error *err)
{
	const struct rj_dirty_walk walk = { .last = last };
	struct rj_bitmap *const *sink = rj_rounds_sink(&pages->rounds);
	const uint64_t began_us = rj_now_us();
	uint64_t marked = 0, now_us, stall_ns;
	int rc = rj_dirty_set_collect(&pages->dirty, &walk, sink, &marked, err);

	if (rc)
		return rc;
	rj_rounds_filled(&pages->rounds, marked);
	now_us = rj_now_us();
	pages->sync_interval_us = began_us - pages->synced_us;
	rj_estimate_synced(estimate, marked, pages->sync_interval_us,
			   now_us - began_us);
	pages->synced_us = began_us;
	/* It may ask the VMM: not under the lock. */
	stall_ns = marked * rj_dirty_set_write_cost_ns(&pages->dirty);
	rj_lock(env->lock);
	env->stats->guest_stall_us += stall_ns / 1000;
	rj_unlock(env->lock);
	*ret_pages = marked;
	return 0;
}

void rj_memory_stop_tracking(struct rj_source_pages *pages,
			     struct ramjet_guest *guest)
{
	if (pages->rounds.worker_count)
		rj_guest_listen(guest, NULL, NULL);
	if (pages->tracking)
		rj_dirty_set_stop(&pages->dirty);
	pages->tracking = false;
}
