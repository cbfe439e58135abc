/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/stats/statistics.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The current rate is that of this span at least. Chosen: readable for people;
 * shorter ones show single frames. */
#define RATE_SPAN_US 500000u

int rj_statistics_init(struct rj_statistics *stats)
{
	*stats = (struct rj_statistics){ .convergence_us = UINT64_MAX };
	stats->rounds = calloc(RAMJET_ROUNDS_MAX, sizeof(*stats->rounds));
	return stats->rounds ? 0 : -ENOMEM;
}

void rj_statistics_done(struct rj_statistics *stats)
{
	free(stats->rounds);
	free(stats->helpers);
	stats->rounds = NULL;
}

void rj_statistics_add_round(struct rj_statistics *stats,
			     const struct ramjet_round_info *round)
{
	stats->rounds[stats->rounds_total++ % RAMJET_ROUNDS_MAX] = *round;
}

static struct ramjet_term_info *term_named(struct rj_statistics *stats,
					   const char *name)
{
	struct ramjet_term_info *term;

	for (size_t i = 0; i < stats->term_count; i++)
		if (!strcmp(stats->terms[i].name, name))
			return &stats->terms[i];
	if (stats->term_count == RJ_TERMS_MAX)
		return &stats->terms[RJ_TERMS_MAX - 1];
	term = &stats->terms[stats->term_count++];
	*term = (struct ramjet_term_info){ .name = name };
	return term;
}

void rj_statistics_predict(struct rj_statistics *stats, const char *term,
			   uint64_t us)
{
	term_named(stats, term)->predicted_us = us;
}

void rj_statistics_measure(struct rj_statistics *stats, const char *term,
			   uint64_t us)
{
	term_named(stats, term)->actual_us = us;
}

void rj_statistics_rate(struct rj_statistics *stats, uint64_t bytes,
			uint64_t now_us)
{
	const uint64_t us = now_us - stats->rate_us;

	if (stats->rate_us && us < RATE_SPAN_US)
		return;
	if (stats->rate_us && bytes >= stats->rate_bytes) {
		stats->current_bytes_per_s =
			(uint64_t)((double)(bytes - stats->rate_bytes) * 1e6 /
				   (double)us);
		stats->known |= RAMJET_KNOWN_CURRENT_RATE;
	}
	stats->rate_bytes = bytes;
	stats->rate_us = now_us;
}

void rj_statistics_end(struct rj_statistics *stats, uint64_t now_us)
{
	stats->ended_us = now_us;
	stats->current_bytes_per_s = 0;
	stats->known &= ~(uint64_t)RAMJET_KNOWN_CURRENT_RATE;
	stats->throttle_percent = 0;
	stats->limit_needed_us = 0;
}

static struct rj_fast_path *path_named(struct rj_statistics *stats,
				       const char *name)
{
	for (size_t i = 0; i < stats->fast_path_count; i++)
		if (!strcmp(stats->fast_paths[i].name, name))
			return &stats->fast_paths[i];
	return NULL;
}

RJ_PRINTF(4, 0)
static void put_path(struct rj_statistics *stats, const char *name,
		     const char *chosen, const char *reason, va_list args)
{
	struct rj_fast_path *path = path_named(stats, name);

	if (!path && stats->fast_path_count == RJ_FAST_PATHS_MAX)
		return;
	if (!path)
		path = &stats->fast_paths[stats->fast_path_count++];
	path->name = name;
	(void)snprintf(path->chosen, sizeof(path->chosen), "%s", chosen);
	(void)vsnprintf(path->reason, sizeof(path->reason), reason, args);
}

void rj_statistics_path_now(struct rj_statistics *stats, const char *name,
			    const char *chosen, const char *reason, ...)
{
	va_list args;

	va_start(args, reason);
	put_path(stats, name, chosen, reason, args);
	va_end(args);
}

void rj_statistics_path(struct rj_statistics *stats, const char *name,
			const char *chosen, const char *reason, ...)
{
	va_list args;

	if (path_named(stats, name))
		return;
	va_start(args, reason);
	put_path(stats, name, chosen, reason, args);
	va_end(args);
}

void rj_statistics_backend(struct rj_statistics *stats,
			   enum ramjet_backend backend, const char *reason)
{
	if (backend == RAMJET_BACKEND_URING)
		rj_statistics_path(stats, "io_uring", "yes", "%s", reason);
	else
		rj_statistics_path_now(stats, "io_uring", "no", "%s", reason);
}
