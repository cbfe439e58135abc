/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_FORECAST_ESTIMATE_H
#define RJ_ENGINE_FORECAST_ESTIMATE_H
/*
 * How long the pause would be if the guest were stopped now: a sum of terms,
 * each from measurements of this migration where there are any: devices are
 * saved only once the guest stands still for good, so what earlier tries took
 * counts, or what the VMM says.
 *
 *   stop + last sync + device state + helpers + pages + target + load + resume
 *   pages = latency + max(((unsent + W(t)) * full share * bytes a full page
 *                          + queued) / capacity,
 *                         (unsent + W(t)) * full share / page rate)
 *   resume = round trip + the target's start
 *
 * A full page is one that goes neither as zeros nor as a word. Its bytes are what
 * such pages have taken on the wire lately, in whatever kinds of runs: pages that
 * were sent before and written again, as those of the pause are. Where coding them
 * is what takes the time, the page rate bounds, else the capacity, in bytes.
 *
 * The path's round trip is in it twice: until READY, and from COMMIT to RUNNING.
 * W(t) is the dirt model's, over the time until the guest stands still. Pure
 * arithmetic on what it is fed, no clock, no lock: the control thread owns it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/forecast/dirt_model.h"
#include "engine/stats/smooth.h"
#include "engine/stats/state_costs.h"

struct rj_estimate {
	struct rj_smooth capacity; /* acknowledged bytes per busy second */
	struct rj_smooth sync_us;  /* one collect while the guest runs */
	struct rj_smooth last_us; /* the last one, as rehearsed or called off */
	struct rj_smooth
		latency_us; /* of a nearly empty round, until applied */
	/* Beyond what a stop takes: of switchovers called off. */
	double slow_stop_us;
	unsigned slow_stops;         /* in a row */
	double raw_share;            /* of recent pages, full ones: 0..1 */
	struct rj_smooth full_bytes; /* payload of a full page, lately */
	bool bytes_of_first;         /* ...as the first round had it */
	/* Full pages a second, when coding them kept the wire waiting. */
	struct rj_smooth page_rate;
	double surprise;             /* pages a last sync found beyond W(t) */
	double rtt_us;               /* of the path, end to end */
	double rtt_high_us;          /* nine of ten are within this; or 0 */
	struct rj_state_costs costs; /* of earlier tries of this guest */
	double state_hint_us;        /* the VMM's, for what they do not tell */
	double helpers_us;           /* as rehearsed */
	struct rj_dirt_model dirt;
};

/* Pages went out: how many of them were not zero. */
void rj_estimate_pages(struct rj_estimate *estimate, uint64_t raw_pages,
		       uint64_t zero_pages);
/* And what the full ones of them took: `payload_bytes` of payload. `first`: in the
 * first round, which counts until there is another. */
void rj_estimate_bytes(struct rj_estimate *estimate, uint64_t raw_pages,
		       uint64_t payload_bytes, bool first);
/* Bytes on the wire of a page that is dirty now, whatever it holds. */
double rj_estimate_page_bytes(const struct rj_estimate *estimate);
/* Would `pages` dirty ones take longer to code than to send? */
bool rj_estimate_is_cpu_bound(const struct rj_estimate *estimate);
/* A collect that found `pages` written in the `interval_us` before it; `last`:
 * with the guest stopped. */
void rj_estimate_synced(struct rj_estimate *estimate, uint64_t pages,
			uint64_t interval_us, uint64_t sync_us, bool last);
/* The last collect would have taken so long. Without a rehearsal it is expected
 * to take as long as those before it. */
void rj_estimate_rehearsed(struct rj_estimate *estimate, uint64_t us);
/* The last sync of a switchover found `pages`, `us` after the one before. */
void rj_estimate_surprised(struct rj_estimate *estimate, uint64_t pages,
			   uint64_t us);

/* A switchover that was called off has stopped the guest in `us`. It need not
 * be as slow again, so that is forgotten round by round: half as fast each
 * time. */
void rj_estimate_stopped(struct rj_estimate *estimate, uint64_t us);

struct rj_pause_inputs {
	double unsent_pages; /* dirty now, this and the next round */
	double queued_bytes; /* handed to the kernel, not acknowledged */
	double capacity;     /* bytes/s to count with instead, 0: as measured */
	double overdue_us;   /* what is under way should have come before */
	bool stopped;        /* the guest stands still: no more dirt */
	double held_pages;   /* of the unsent, those that rounds don't send */
};
struct rj_pause {
	bool known; /* false before anything was measured */
	uint64_t stop_us, sync_us, device_us, helpers_us, pages_us, target_us,
		load_us, resume_us;
	uint64_t p50_us, p90_us;
};
void rj_estimate_pause(const struct rj_estimate *estimate,
		       const struct rj_pause_inputs *inputs,
		       struct rj_pause *ret);
/* So many pages may be unsent for the p90 to be within `us`, with nothing on its
 * way. */
uint64_t rj_estimate_room(const struct rj_estimate *estimate,
			  const struct rj_pause_inputs *inputs, double us);
/* The p50 after one more round. */
uint64_t rj_estimate_next_us(const struct rj_estimate *estimate,
			     const struct rj_pause_inputs *inputs);
/* When rounds at this pace will have brought the p90 within limit_us:
 * microseconds from now, UINT64_MAX for never. */
uint64_t rj_estimate_convergence(const struct rj_estimate *estimate,
				 const struct rj_pause_inputs *inputs,
				 uint64_t limit_us);
#endif
