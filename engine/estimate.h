/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_ESTIMATE_H
#define RJ_ENGINE_ESTIMATE_H
/*
 * How long the pause would be if the guest were stopped now: a sum of terms,
 * each from measurements of this migration. Pure arithmetic on what it is fed,
 * no clock, no lock: the control thread owns it.
 */
#include <stdbool.h>
#include <stdint.h>

/* A smoothed figure and its spread (exponentially weighted mean, variance). */
struct rj_smooth {
	double mean;
	double variance;
	unsigned samples;
};
void rj_smooth_add(struct rj_smooth *smooth, double sample);
double rj_smooth_spread(const struct rj_smooth *smooth);

struct rj_estimate {
	struct rj_smooth capacity;    /* wire bytes per second */
	struct rj_smooth sync_us;     /* one collect */
	struct rj_smooth raw_share;   /* pages that are not zero, 0..1 */
	struct rj_smooth dirty_per_s; /* pages written per second */
	double rtt_us;
};

/* A span in which workers had something to send. */
void rj_estimate_sent(struct rj_estimate *estimate, uint64_t wire_bytes,
		      uint64_t raw_pages, uint64_t zero_pages, uint64_t us);
/* A collect that found `pages` written in the `interval_us` before it. */
void rj_estimate_synced(struct rj_estimate *estimate, uint64_t pages,
			uint64_t interval_us, uint64_t sync_us);

struct rj_pause_inputs {
	uint64_t unsent_pages;    /* dirty now, this and the next round */
	uint64_t cap_bytes_per_s; /* 0: none */
};
struct rj_pause {
	uint64_t stop_us, sync_us, pages_us, device_us, target_us, resume_us;
	uint64_t p50_us, p90_us;
	bool known; /* false before anything was measured */
};
void rj_estimate_pause(const struct rj_estimate *estimate,
		       const struct rj_pause_inputs *inputs,
		       struct rj_pause *ret);
#endif
