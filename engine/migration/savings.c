/* SPDX-License-Identifier: BSD-3-Clause */
/* ramjet_savings(): what fewer bytes were sent by. One allocation holds the
 * snapshot and its levels. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "engine/migration/migration.h"
#include "ramjet-savings.h"

static_assert(RJ_LEVELS_MAX == RAMJET_LEVELS_MAX &&
		      RJ_LEVELS_OFF == RAMJET_LEVEL_OFF,
	      "as the public header has them");

struct snapshot {
	struct ramjet_savings savings; /* first: the caller frees through it */
	struct ramjet_level levels[];
};

static void add_channel(struct ramjet_savings *s, const struct rj_counters *c)
{
	s->full_bytes += (rj_counted_full(c) + rj_counter(&c->word_pages)) *
			 RAMJET_PAGE_BYTES;
	s->payload_bytes += rj_counter(&c->payload_bytes);
	s->word_pages += rj_counter(&c->word_pages);
	s->compressed_pages += rj_counter(&c->compressed_pages);
	s->zstd_in_bytes += rj_counter(&c->zstd_in_bytes);
	s->zstd_out_bytes += rj_counter(&c->zstd_out_bytes);
	s->zstd_refused_pages += rj_counter(&c->zstd_refused_pages);
	s->zstd_cpu_us += rj_counter(&c->zstd_ns) / 1000;
	s->delta_pages += rj_counter(&c->delta_pages);
	s->delta_bytes += rj_counter(&c->delta_bytes);
}

static void add_levels(struct snapshot *snap, const struct rj_levels *of,
		       unsigned channel)
{
	struct rj_level_change changes[RJ_LEVELS_MAX];
	struct ramjet_savings *s = &snap->savings;
	uint64_t total;
	const size_t count = rj_levels_read(of, changes, &total);

	s->levels_total += total;
	for (size_t i = 0; i < count; i++)
		snap->levels[s->level_count++] = (struct ramjet_level){
			.size = sizeof(snap->levels[0]),
			.since_us = changes[i].since_us,
			.level = changes[i].level,
			.channel = channel,
		};
}

static int by_time(const void *left, const void *right)
{
	const struct ramjet_level *a = left, *b = right;

	if (a->since_us != b->since_us)
		return a->since_us < b->since_us ? -1 : 1;
	return (a->channel > b->channel) - (a->channel < b->channel);
}

static void add_statistics(struct snapshot *snap, struct ramjet_migration *m)
{
	struct ramjet_savings *s = &snap->savings;
	struct rj_reduced reduced;
	uint64_t began_us;

	rj_lock(&m->lock);
	s->hot_most_pages = m->stats.hot_most_pages;
	s->hot_spared_pages = m->stats.hot_spared_pages;
	s->hot_skipped_pages = m->stats.hot_skipped_pages;
	reduced = m->stats.reduced;
	began_us = m->stats.started_us;
	rj_unlock(&m->lock);
	s->cache_bytes = reduced.cache_bytes;
	s->cache_pages = reduced.cache_pages;
	s->cache_hits = reduced.cache_hits;
	s->cache_misses = reduced.cache_misses;
	s->cache_evictions = reduced.cache_evictions;
	for (size_t i = 0; i < s->level_count; i++)
		snap->levels[i].since_us -= began_us < snap->levels[i].since_us
						    ? began_us
						    : snap->levels[i].since_us;
}

RAMJET_API int ramjet_savings(const struct ramjet_migration *migration,
			      struct ramjet_savings **ret)
{
	struct ramjet_migration *m = (struct ramjet_migration *)migration;
	struct snapshot *snap;
	unsigned channels;

	if (!m || !ret)
		return -EINVAL;
	channels = rj_migration_counted(m);
	snap = calloc(1, sizeof(*snap) + (size_t)channels * RJ_LEVELS_MAX *
						 sizeof(snap->levels[0]));
	if (!snap)
		return -ENOMEM;
	snap->savings.size = sizeof(snap->savings);
	snap->savings.levels = snap->levels;
	for (unsigned i = 0; i < channels; i++) {
		add_channel(&snap->savings, &m->counters[i]);
		add_levels(snap, &m->counters[i].levels, i);
	}
	qsort(snap->levels, snap->savings.level_count, sizeof(snap->levels[0]),
	      by_time);
	add_statistics(snap, m);
	*ret = &snap->savings;
	return 0;
}

RAMJET_API void ramjet_savings_free(struct ramjet_savings *savings)
{
	free(savings);
}
