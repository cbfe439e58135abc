/* SPDX-License-Identifier: BSD-3-Clause */
/* The source's memory: what is tracked, what is populated, what is dirty. */
#include <errno.h>
#include <stdlib.h>

#include "dirty/populated.h"
#include "engine/guest/backing.h"
#include "engine/guest/region.h"
#include "engine/page/digest.h"
#include "engine/send/marks.h"
#include "engine/source/outgoing.h"
#include "util/clock.h"
#include "util/error.h"

static int start_tracking(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = m->guest;
	struct rj_outgoing *out = m->out;
	int rc;

	out->pages.regions =
		calloc(guest->block_count, sizeof(*out->pages.regions));
	if (!out->pages.regions)
		return rj_fail(err, -ENOMEM, "session: out of memory");
	for (unsigned i = 0; i < guest->block_count; i++) {
		rj_backing_note(&guest->blocks[i]);
		out->pages.regions[i] = rj_block_region(&guest->blocks[i]);
	}
	for (unsigned i = 0; i < guest->block_count; i++) {
		rc = rj_backing_check(&guest->blocks[i], 0,
				      guest->blocks[i].page_count, err);
		if (rc)
			return rc;
	}
	rc = rj_dirty_set_start(&out->pages.dirty, guest->sources,
				guest->source_count, out->pages.regions,
				guest->block_count, err);
	out->pages.tracking = !rc;
	for (unsigned i = 0; !rc && i < guest->block_count; i++)
		if (rj_dirty_set_needs_arm(&out->pages.dirty))
			rc = rj_dirty_set_arm(&out->pages.dirty, i, 0,
					      guest->blocks[i].page_count, err);
	out->pages.synced_us = rj_now_us();
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
static int look_lazy(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = m->guest;
	struct rj_outgoing *out = m->out;

	if (!has_pagemap(guest))
		return rj_blocks_look_lazy(guest->blocks, guest->block_count,
					   &out->pages.lazy, err);
	out->pages.lazy = calloc(guest->block_count, sizeof(*out->pages.lazy));
	return out->pages.lazy
		       ? 0
		       : rj_fail(err, -ENOMEM, "session: out of memory");
}

enum rj_digest_of rj_source_digest_of(struct ramjet_migration *m)
{
	return rj_migration_params(m).verify_all ? RJ_DIGEST_OF_ALL
						 : RJ_DIGEST_OF_POPULATED;
}

static void report_populated(struct ramjet_migration *m,
			     enum rj_populated_method method,
			     const char *reason)
{
	rj_lock(&m->lock);
	rj_statistics_path(&m->stats, "populated map",
			   rj_populated_method_name(method), "%s",
			   reason ? reason : "");
	rj_unlock(&m->lock);
}

static int scan_block(struct ramjet_migration *m, unsigned index,
		      struct rj_bitmap *bm, struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	enum rj_populated_method method = RJ_POPULATED_ALL;
	const char *reason = out->pages.lazy[index];
	int rc = 0;

	if (reason)
		(void)rj_bitmap_set_run(bm, 0,
					out->pages.regions[index].page_count);
	else
		rc = rj_populated_scan(&out->pages.regions[index], bm, &method,
				       &reason, err);
	if (!rc)
		report_populated(m, method, reason);
	return rc;
}

/* Round 0 is everything that holds something. */
static int fill_first_round(struct ramjet_migration *m,
			    struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	struct rj_bitmap *const *sink = rj_rounds_sink(&out->pages.rounds);
	/* Discarded since tracking began: marked, and counted, already. */
	const uint64_t marked = rj_rounds_next_pages(&out->pages.rounds);
	uint64_t pages = 0, total = 0, held;
	int rc = look_lazy(m, err);

	if (rc)
		return rc;
	for (unsigned i = 0; i < m->guest->block_count; i++) {
		rc = scan_block(m, i, sink[i], err);
		if (rc)
			return rc;
		held = rj_bitmap_count(sink[i]);
		pages += held;
		rj_count(&m->untouched_pages[i],
			 out->pages.regions[i].page_count - held);
		if (rj_migration_params(m).verify)
			out->handover.digests_us += rj_digest_predict_us(
				&m->guest->blocks[i], rj_source_digest_of(m),
				sink[i], held);
		total += out->pages.regions[i].page_count;
	}
	out->pages.unpopulated_pages = total - pages;
	rj_rounds_filled(&out->pages.rounds, pages - marked);
	rj_lock(&m->lock);
	m->stats.unpopulated_pages = out->pages.unpopulated_pages;
	m->stats.remaining_pages = pages;
	m->stats.known |= RAMJET_KNOWN_REMAINING;
	rj_unlock(&m->lock);
	return 0;
}

/* The control link, or what carries everything. */
static int a_connection(const struct rj_outgoing *out)
{
	return out->session.control.fd >= 0 ? out->session.control.fd
					    : out->lanes.senders[0].conn.fd;
}

static int place_workers(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	const struct rj_numa_wish wish = {
		.blocks = m->guest->blocks,
		.block_count = m->guest->block_count,
		.worker_count = out->lanes.channel_count,
		.home_count = out->lanes.plan.first,
		.fd = a_connection(out),
		.nodes = m->guest->nodes,
	};
	int rc = rj_numa_init(&out->lanes.numa, &out->env, &wish, err);

	if (!rc && out->lanes.numa.placement.worker_count)
		rj_rounds_place(&out->pages.rounds, &out->lanes.numa.placement);
	return rc;
}

int rj_source_prepare_memory(struct ramjet_migration *m,
			     struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	int rc = rj_rounds_init(&out->pages.rounds, m->guest->blocks,
				m->guest->block_count, out->lanes.channel_count,
				m->event_fd, err);

	if (!rc)
		rc = rj_rounds_set_homes(&out->pages.rounds,
					 out->lanes.plan.first, err);
	if (!rc)
		rc = place_workers(m, err);
	if (rc)
		return rc;
	rj_rounds_listen(&out->pages.rounds, m->guest);
	/* Tracking first: what is populated later then shows up as dirty. */
	rc = start_tracking(m, err);
	return rc ? rc : fill_first_round(m, err);
}

int rj_source_collect(struct ramjet_migration *m, uint64_t *ret_pages,
		      struct ramjet_error *err)
{
	const struct rj_dirty_walk walk = {
		.last = m->out->handover.guest_stopped,
	};
	struct rj_outgoing *out = m->out;
	struct rj_bitmap *const *sink = rj_rounds_sink(&out->pages.rounds);
	const uint64_t began_us = rj_now_us();
	uint64_t marked = 0, now_us, stall_ns;
	int rc = rj_dirty_set_collect(&out->pages.dirty, &walk, sink, &marked,
				      err);

	if (rc)
		return rc;
	rj_rounds_filled(&out->pages.rounds, marked);
	now_us = rj_now_us();
	out->pages.sync_interval_us = began_us - out->pages.synced_us;
	rj_estimate_synced(&out->forecast.estimate, marked,
			   out->pages.sync_interval_us, now_us - began_us);
	out->pages.synced_us = began_us;
	/* It may ask the VMM: not under the lock. */
	stall_ns = marked * rj_dirty_set_write_cost_ns(&out->pages.dirty);
	rj_lock(&m->lock);
	m->stats.guest_stall_us += stall_ns / 1000;
	rj_unlock(&m->lock);
	*ret_pages = marked;
	return 0;
}

void rj_source_stop_tracking(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;

	if (out->pages.rounds.worker_count)
		rj_guest_listen(m->guest, NULL, NULL);
	if (out->pages.tracking)
		rj_dirty_set_stop(&out->pages.dirty);
	out->pages.tracking = false;
}
