/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_STATS_STATISTICS_H
#define RJ_ENGINE_STATS_STATISTICS_H
/*
 * Figures of a migration that the control thread writes and ramjet_info()
 * reads, under the migration's lock.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/stats/level_times.h"
#include "ramjet.h"
#include "util/compiler.h"

/* Room for all there are. */
#define RJ_TERMS_MAX      12u
#define RJ_FAST_PATHS_MAX 20u

struct rj_fast_path {
	const char *name; /* static */
	char chosen[32];
	char reason[160];
};

/* Means to send fewer bytes, as far as the lanes do not count them. */
struct rj_reduced {
	uint64_t cache_bytes, cache_pages; /* copies of what was sent */
	uint64_t cache_hits, cache_misses, cache_evictions;
};

struct rj_statistics {
	uint64_t known;      /* enum ramjet_known */
	uint64_t started_us; /* rj_now_us() scale; 0: not yet */
	uint64_t active_us;  /* when memory began to move */
	uint64_t ended_us;
	uint64_t downtime_us;
	uint64_t predicted_p50_us;
	uint64_t predicted_p90_us;
	uint64_t current_bytes_per_s;
	uint64_t rate_bytes, rate_us; /* where its span began */
	uint64_t dirty_pages_per_s;
	uint64_t capacity_bytes_per_s;
	uint64_t capacity_spread_bytes_per_s;
	uint64_t convergence_us;
	uint64_t limit_needed_us;
	uint64_t path_rtt_us;
	uint64_t guest_downtime_us;
	uint32_t throttle_percent;
	uint32_t called_off;
	uint64_t control_reconnects;
	uint64_t guest_stall_us;
	uint64_t throttled_us;
	uint64_t control_cpu_us;
	uint64_t crew_cpu_us;   /* of it: threads that have ended */
	uint64_t control_bytes; /* on the control link */
	uint64_t unpopulated_pages;
	uint64_t remaining_pages;
	/* Hot pages last: most that were held back at once; sends that this has
	 * spared, as estimated (what would have gone with each round, as far as
	 * the wire had time for it); and pages that a round left to the next
	 * one, since they were written again already. */
	uint64_t hot_most_pages;
	uint64_t hot_spared_pages;
	uint64_t hot_skipped_pages;
	struct rj_reduced reduced;
	/* Data connections that were lost, that came back, and pages that were
	 * sent again for it. */
	uint32_t lanes_lost, lanes_rejoined;
	uint64_t resent_pages;
	bool verified;
	uint32_t verify_blocks;
	struct ramjet_round_info *rounds; /* ring of RAMJET_ROUNDS_MAX */
	uint64_t rounds_total;
	struct ramjet_term_info terms[RJ_TERMS_MAX];
	size_t term_count;
	struct rj_level_times level_times; /* of compression */
	struct rj_fast_path fast_paths[RJ_FAST_PATHS_MAX];
	size_t fast_path_count;
	struct ramjet_helper_info *helpers;
	size_t helper_count;
};

/* What follows: callers hold the migration's lock. */
RJ_NODISCARD int rj_statistics_init(struct rj_statistics *stats);
void rj_statistics_done(struct rj_statistics *stats);
void rj_statistics_add_round(struct rj_statistics *stats,
			     const struct ramjet_round_info *round);
/* Set or add the prediction / the measured value of a term, by its name. */
void rj_statistics_predict(struct rj_statistics *stats, const char *term,
			   uint64_t us);
void rj_statistics_measure(struct rj_statistics *stats, const char *term,
			   uint64_t us);
/* `bytes` of payload have been moved by `now_us`: keeps the rate of the latest
 * half second or so. */
void rj_statistics_rate(struct rj_statistics *stats, uint64_t bytes,
			uint64_t now_us);
/* All is over: what is told of the present no longer holds. */
void rj_statistics_end(struct rj_statistics *stats, uint64_t now_us);
/* One line per name: the latest report of a fast path stays. */
RJ_PRINTF(4, 5)
void rj_statistics_path_now(struct rj_statistics *stats, const char *name,
			    const char *chosen, const char *reason, ...);
/* One line per name: the first report of a fast path stays. */
RJ_PRINTF(4, 5)
void rj_statistics_path(struct rj_statistics *stats, const char *name,
			const char *chosen, const char *reason, ...);
/* What a worker's channel runs on: "yes" means all of them. */
void rj_statistics_backend(struct rj_statistics *stats,
			   enum ramjet_backend backend, const char *reason);
#endif
