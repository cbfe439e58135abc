/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/collect.h"

#include "dirty/rehearsal.h"
#include "engine/placement/cpu_limit.h"
#include "util/clock.h"

#define GIB (UINT64_C(1) << 30)
/* A GiB of 4 KiB pages takes half a millisecond to look through (measured, 0.5
 * to 1.4): less is not worth the waking of a thread, some 50 us. */
#define BYTES_EACH GIB
/* 12 TiB in 100 ms. */
#define CREW_MAX 64u
/* Some 1 to 2 ms a GiB with protecting: a collect of 100 ms. On two CPUs two
 * threads took 1.3 to 6 times as long as one. */
#define RUNNING_BYTES_EACH (64 * GIB)
/* Of the time between rehearsals. Chosen. */
#define REHEARSAL_SHARE 0.1

unsigned rj_collect_crew(unsigned cpus, uint64_t bytes)
{
	const uint64_t useful = bytes / BYTES_EACH;
	const unsigned most = cpus < CREW_MAX ? cpus : CREW_MAX;
	const unsigned size = useful < most ? (unsigned)useful : most;

	return size ? size : 1;
}

unsigned rj_collect_running(unsigned crew, uint64_t bytes)
{
	const uint64_t wanted = bytes / RUNNING_BYTES_EACH + 1;

	return wanted < crew ? (unsigned)wanted : crew;
}

static uint64_t bytes_of(const struct rj_source_pages *pages)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < pages->dirty.region_count; i++)
		bytes += pages->regions[i].page_count * RAMJET_PAGE_BYTES;
	return bytes;
}

int rj_collect_begin(struct rj_source_pages *pages, struct ramjet_error *err)
{
	struct rj_collects *c = &pages->collects;
	const uint64_t bytes = bytes_of(pages);
	struct rj_cpu_limit limit;
	int rc;

	rj_cpu_limit_read(&limit);
	rc = rj_crew_start(&c->crew, "rj/scan",
			   rj_collect_crew(limit.cpus, bytes), err);
	c->running = rj_collect_running(rj_crew_size(&c->crew), bytes);
	return rc;
}

/* As the last collect would be; how long it would take goes to c->rehearsed_ns. */
static int rehearse(struct rj_source_pages *pages, struct ramjet_error *err)
{
	struct rj_collects *c = &pages->collects;
	const uint64_t began_us = rj_now_us();
	int rc;

	if ((double)(began_us - c->rehearsal_us) * REHEARSAL_SHARE <
	    (double)c->rehearsal_took_us)
		return 0;
	rj_crew_limit(&c->crew, 0);
	rc = rj_rehearse_last(&pages->dirty, &c->crew, &c->rehearsed_ns, err);
	c->rehearsal_us = rj_now_us();
	c->rehearsal_took_us = c->rehearsal_us - began_us;
	return rc;
}

/* Does this collect tell hot pages from others? */
static bool sorts(const struct rj_source_pages *pages, bool last)
{
	return !last && rj_heat_is_used(&pages->rounds.heat);
}

static int ask_sources(struct rj_source_pages *pages, bool last,
		       uint64_t *ret_marked, struct ramjet_error *err)
{
	struct rj_collects *c = &pages->collects;
	const struct rj_dirty_walk walk = { .last = last, .crew = &c->crew };

	rj_crew_limit(&c->crew, last ? 0 : c->running);
	return rj_dirty_set_collect(&pages->dirty, &walk,
				    sorts(pages, last)
					    ? pages->rounds.heat.sinks
					    : rj_rounds_sink(&pages->rounds),
				    ret_marked, err);
}

/* What was found becomes a part of the next round, or is held back; with the
 * guest stopped nothing is. Returns how many pages are new in that round. */
static uint64_t fill_round(struct rj_source_pages *pages, bool last,
			   uint64_t *marked)
{
	struct rj_heat *heat = &pages->rounds.heat;
	uint64_t due = *marked;

	if (sorts(pages, last)) {
		const struct rj_heat_rules rules = {
			.room_pages = pages->room_pages,
			.blind = rj_dirty_set_needs_rearm(&pages->dirty),
		};
		const struct rj_heat_sorted sorted = rj_heat_sort(
			heat, rj_rounds_sink(&pages->rounds), &rules);

		*marked = sorted.written;
		due = sorted.due;
	} else if (rj_heat_is_used(heat)) {
		due += rj_heat_release(heat, rj_rounds_sink(&pages->rounds));
	}
	rj_rounds_filled(&pages->rounds, due);
	return due;
}

static void learn(struct rj_source_pages *pages, struct rj_estimate *estimate,
		  uint64_t marked, uint64_t took_us, bool last)
{
	const uint64_t rehearsed_ns = pages->collects.rehearsed_ns;

	rj_estimate_synced(estimate, marked, pages->sync_interval_us, took_us,
			   last);
	if (last)
		return;
	if (!rj_rehearsal_is_useful(&pages->dirty))
		rj_estimate_rehearsed(estimate, took_us);
	else if (rehearsed_ns)
		rj_estimate_rehearsed(estimate,
				      (rehearsed_ns + pages->dirty.alike_ns) /
					      1000);
	pages->collects.rehearsed_ns = 0;
}

int rj_collect(struct rj_source_pages *pages, struct rj_estimate *estimate,
	       bool last, const struct rj_env *env, uint64_t *ret_pages,
	       struct ramjet_error *err)
{
	uint64_t marked = 0, began_us, stall_ns;
	int rc = last ? 0 : rehearse(pages, err);

	if (rc)
		return rc;
	began_us = rj_now_us();
	rc = ask_sources(pages, last, &marked, err);
	if (rc)
		return rc;
	pages->found.due += fill_round(pages, last, &marked);
	pages->found.written += marked;
	pages->found.over_us += began_us - pages->synced_us;
	pages->sync_interval_us = began_us - pages->synced_us;
	/* The last collect doesn't settle: the guest's stop has. */
	learn(pages, estimate, marked,
	      rj_now_us() - began_us - pages->dirty.settled_ns / 1000, last);
	pages->synced_us = began_us;
	/* It may ask the VMM: not under the lock. */
	stall_ns = marked * rj_dirty_set_write_cost_ns(&pages->dirty);
	pages->collect_cost_us = rj_now_us() - began_us + stall_ns / 1000;
	rj_lock(env->lock);
	env->stats->guest_stall_us += stall_ns / 1000;
	rj_unlock(env->lock);
	*ret_pages = marked;
	return 0;
}

uint64_t rj_collect_cpu_us(const struct rj_source_pages *pages)
{
	return rj_thread_cpu_us() + rj_crew_cpu_us(&pages->collects.crew);
}

void rj_collect_end(struct rj_source_pages *pages, const struct rj_env *env)
{
	rj_lock(env->lock);
	env->stats->crew_cpu_us += rj_crew_cpu_us(&pages->collects.crew);
	rj_unlock(env->lock);
	rj_crew_stop(&pages->collects.crew);
}
