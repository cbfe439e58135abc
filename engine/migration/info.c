/* SPDX-License-Identifier: BSD-3-Clause */
/* ramjet_info(): one allocation holds the snapshot and all it points to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/link/lane.h"
#include "engine/migration/migration.h"
#include "util/clock.h"
#include "util/error.h"

struct snapshot {
	struct ramjet_info info; /* first: the caller frees through it */
	struct ramjet_error error;
	struct ramjet_round_info *rounds;
	struct ramjet_channel_info *channels;
	struct ramjet_term_info terms[RJ_TERMS_MAX];
	struct ramjet_helper_info *helpers;
	struct rj_fast_path paths[RJ_FAST_PATHS_MAX];
	struct ramjet_fast_path_info path_infos[RJ_FAST_PATHS_MAX];
	char *blockers[RJ_BLOCKERS_MAX];
};

static void add_channels(struct snapshot *snap,
			 const struct ramjet_migration *m, unsigned count)
{
	struct ramjet_info *info = &snap->info;

	for (unsigned i = 0; i < count; i++) {
		const struct rj_counters *c = &m->counters[i];

		snap->channels[i] = (struct ramjet_channel_info){
			.size = sizeof(snap->channels[i]),
			.bytes = rj_counter(&c->wire_bytes),
			.state = rj_lane_state_name(rj_lane_state(&c->state)),
			.epoch = atomic_load_explicit(&c->epoch,
						      memory_order_relaxed),
			.rtt_us = atomic_load_explicit(&c->rtt_us,
						       memory_order_relaxed),
		};
		info->ram_transferred_bytes += rj_counter(&c->payload_bytes);
		info->ram_wire_bytes += rj_counter(&c->wire_bytes);
		info->ram_normal_pages += rj_counter(&c->normal_pages);
		info->ram_zero_pages += rj_counter(&c->zero_pages);
		info->ram_compressed_pages += rj_counter(&c->compressed_pages);
		info->ram_delta_pages += rj_counter(&c->delta_pages);
		info->workers_cpu_us += rj_counter(&c->cpu_us);
	}
	info->channels = snap->channels;
	info->channel_count = count;
}

static void add_rounds_locked(struct snapshot *snap,
			      const struct rj_statistics *stats)
{
	const uint64_t total = stats->rounds_total;
	const uint64_t kept =
		total < RAMJET_ROUNDS_MAX ? total : RAMJET_ROUNDS_MAX;

	for (uint64_t i = 0; i < kept; i++) {
		snap->rounds[i] =
			stats->rounds[(total - kept + i) % RAMJET_ROUNDS_MAX];
		snap->rounds[i].size = sizeof(snap->rounds[i]);
	}
	snap->info.rounds = snap->rounds;
	snap->info.round_count = kept;
	snap->info.rounds_total = total;
}

static void add_paths_locked(struct snapshot *snap,
			     const struct rj_statistics *stats)
{
	for (size_t i = 0; i < stats->fast_path_count; i++) {
		snap->paths[i] = stats->fast_paths[i];
		snap->path_infos[i] = (struct ramjet_fast_path_info){
			.size = sizeof(snap->path_infos[i]),
			.name = snap->paths[i].name,
			.chosen = snap->paths[i].chosen,
			.reason = snap->paths[i].reason,
		};
	}
	snap->info.fast_paths = snap->path_infos;
	snap->info.fast_path_count = stats->fast_path_count;
}

static void add_helpers_locked(struct snapshot *snap,
			       const struct rj_statistics *stats)
{
	const size_t bytes = stats->helper_count * sizeof(*snap->helpers);

	if (!bytes || !(snap->helpers = malloc(bytes)))
		return;
	memcpy(snap->helpers, stats->helpers, bytes);
	snap->info.helpers = snap->helpers;
	snap->info.helper_count = stats->helper_count;
}

static uint64_t span_us(uint64_t from, uint64_t to)
{
	return from && to > from ? to - from : 0;
}

static void add_statistics_locked(struct snapshot *snap,
				  const struct ramjet_migration *m)
{
	const struct rj_statistics *stats = &m->stats;
	const uint64_t now = stats->ended_us ? stats->ended_us : rj_now_us();
	struct ramjet_info *info = &snap->info;

	info->state = m->state;
	info->known = stats->known;
	info->total_us = span_us(stats->started_us, now);
	info->setup_us = span_us(stats->started_us,
				 stats->active_us ? stats->active_us : now);
	info->downtime_us = stats->downtime_us;
	info->downtime_limit_us = m->params.downtime_limit_us;
	info->downtime_p50_us = stats->predicted_p50_us;
	info->downtime_p90_us = stats->predicted_p90_us;
	info->current_bytes_per_s = stats->current_bytes_per_s;
	info->dirty_pages_per_s = stats->dirty_pages_per_s;
	info->control_cpu_us = stats->control_cpu_us;
	info->capacity_bytes_per_s = stats->capacity_bytes_per_s;
	info->capacity_spread_bytes_per_s = stats->capacity_spread_bytes_per_s;
	info->convergence_us = stats->convergence_us;
	info->limit_needed_us = stats->limit_needed_us;
	info->path_rtt_us = stats->path_rtt_us;
	info->guest_downtime_us = stats->guest_downtime_us;
	info->throttle_percent = stats->throttle_percent;
	info->called_off = stats->called_off;
	info->control_reconnects = stats->control_reconnects;
	info->lanes_lost = stats->lanes_lost;
	info->lanes_rejoined = stats->lanes_rejoined;
	info->ram_resent_pages = stats->resent_pages;
	info->guest_stall_us = stats->guest_stall_us;
	info->throttled_us = stats->throttled_us;
	info->ram_wire_bytes += stats->control_bytes;
	info->ram_unpopulated_pages = stats->unpopulated_pages;
	info->ram_remaining_bytes = stats->remaining_pages * RAMJET_PAGE_BYTES;
	info->verified = stats->verified;
	info->verify_blocks = stats->verify_blocks;
	memcpy(snap->terms, stats->terms, sizeof(snap->terms));
	for (size_t i = 0; i < stats->term_count; i++)
		snap->terms[i].size = sizeof(snap->terms[i]);
	info->terms = snap->terms;
	info->term_count = stats->term_count;
	add_rounds_locked(snap, stats);
	add_paths_locked(snap, stats);
	add_helpers_locked(snap, stats);
	if (stats->active_us && now > stats->active_us) {
		info->throughput_bytes_per_s =
			(uint64_t)((double)info->ram_transferred_bytes * 1e6 /
				   (double)(now - stats->active_us));
		info->known |= RAMJET_KNOWN_THROUGHPUT;
	}
}

static void add_guest(struct snapshot *snap, struct ramjet_guest *guest)
{
	struct ramjet_info *info = &snap->info;

	rj_lock(&guest->lock);
	for (unsigned i = 0; i < guest->block_count; i++)
		info->ram_total_bytes += guest->blocks[i].bytes;
	for (size_t i = 0; i < guest->blockers.count; i++) {
		snap->blockers[i] = strdup(guest->blockers.reasons[i]);
		if (!snap->blockers[i])
			break;
		info->blocker_count = i + 1;
	}
	rj_unlock(&guest->lock);
	info->blockers = (const char *const *)snap->blockers;
}

RAMJET_API int ramjet_info(const struct ramjet_migration *migration,
			   struct ramjet_info **ret)
{
	struct ramjet_migration *m = (struct ramjet_migration *)migration;
	struct snapshot *snap;
	unsigned channels;

	if (!m || !ret)
		return -EINVAL;
	channels = rj_migration_counted(m);
	snap = calloc(1, sizeof(*snap));
	if (!snap)
		return -ENOMEM;
	snap->rounds = calloc(RAMJET_ROUNDS_MAX, sizeof(*snap->rounds));
	snap->channels = calloc(channels + 1, sizeof(*snap->channels));
	if (!snap->rounds || !snap->channels) {
		ramjet_info_free(&snap->info);
		return -ENOMEM;
	}
	snap->info.size = sizeof(snap->info);
	snap->info.outgoing = m->outgoing;
	memcpy(snap->info.uri, m->uri_text, sizeof(snap->info.uri));
	add_channels(snap, m, channels);
	rj_lock(&m->lock);
	add_statistics_locked(snap, m);
	rj_unlock(&m->lock);
	snap->error = rj_migration_error(m);
	if (snap->error.code)
		snap->info.error = &snap->error;
	add_guest(snap, m->guest);
	if (m->outgoing && !(snap->info.known & RAMJET_KNOWN_REMAINING))
		snap->info.ram_remaining_bytes = snap->info.ram_total_bytes;
	*ret = &snap->info;
	return 0;
}

RAMJET_API void ramjet_info_free(struct ramjet_info *info)
{
	struct snapshot *snap = (struct snapshot *)info;

	if (!snap)
		return;
	for (size_t i = 0; i < RJ_BLOCKERS_MAX; i++)
		free(snap->blockers[i]);
	free(snap->rounds);
	free(snap->channels);
	free(snap->helpers);
	free(snap);
}
