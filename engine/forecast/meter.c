/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/forecast/meter.h"

/* A shorter span says more about socket buffers than about the wire. Chosen:
 * three looks of the control thread (TICK_MS); longer ones follow a change of the
 * wire later. */
#define SAMPLE_US 60000u
/* Fewer bytes say more about threads that had to wait: a source that was
 * stopped for half a second right then measured 63 to 410 bytes/s, and never
 * switched. */
#define SAMPLE_BYTES (UINT64_C(64) << 10)
/* But a wire that has become so slow has to be noticed. */
#define SLOW_SAMPLE_US (10 * SAMPLE_US)
/* Without a queue: until there are some samples, a shorter one is better than
 * none. */
#define FIRST_SAMPLE_US 5000u
#define FIRST_SAMPLES   4u
/* Of full pages: coding fewer of them costs no time that counts. Chosen. */
#define CODED_SHARE 0.1
/* Fewer pages, and shorter looks, say more about threads that had to wait: whoever
 * ends a round wakes the control thread, which looks every 20 ms otherwise. */
#define CODED_PAGES 64u
#define CODED_US    10000u
/* With so many samples, what a round brought all the way is of no use: it is
 * only the least that the wire carries. */
#define TRUSTED_SAMPLES 3u

static double rate(const struct rj_meter_span *span)
{
	return (double)span->bytes * 1e6 / (double)span->us;
}

static void restart(struct rj_smooth *capacity, double bytes_per_s)
{
	*capacity = (struct rj_smooth){ .mean = bytes_per_s, .samples = 1 };
}

static void take_queued(struct rj_meter *meter, struct rj_smooth *capacity)
{
	struct rj_meter_span *span = &meter->queued;
	const bool slow = meter->measured && span->us >= SLOW_SAMPLE_US;

	if (span->us < SAMPLE_US || !span->bytes ||
	    (span->bytes < SAMPLE_BYTES && !slow))
		return;
	if (!meter->measured++)
		restart(capacity, rate(span));
	else
		rj_smooth_add(capacity, rate(span));
	*span = (struct rj_meter_span){ 0 };
}

/* Files, pipes and fast sockets may never be seen with a queue: without any
 * sample nothing converges. */
static void take_busy(struct rj_meter *meter, struct rj_smooth *capacity)
{
	struct rj_meter_span *span = &meter->busy;
	const uint64_t wanted_us =
		capacity->samples < FIRST_SAMPLES ? FIRST_SAMPLE_US : SAMPLE_US;

	if (meter->measured || span->us < wanted_us ||
	    span->bytes < SAMPLE_BYTES)
		return;
	rj_smooth_add(capacity, rate(span));
	*span = (struct rj_meter_span){ 0 };
}

static void add_span(struct rj_meter_span *span, uint64_t bytes, uint64_t us)
{
	span->bytes += bytes;
	span->us += us;
}

void rj_meter_tick(struct rj_meter *meter, const struct rj_wire_now *now,
		   uint64_t now_us, bool busy, struct rj_smooth *capacity)
{
	const uint64_t us = now_us - meter->since_us;
	const uint64_t bytes = now->acked - meter->acked;
	/* Under a cap, frames wait at the governor instead of in a socket. */
	const bool queued = now->queued || now->held;

	if (now->acked > meter->moved || now->passed > meter->passed ||
	    !meter->moved_us || rj_wire_is_held_back(now)) {
		meter->moved = now->acked;
		meter->passed = now->passed;
		meter->moved_us = now_us;
	}
	if (busy && meter->since_us && now->acked >= meter->acked) {
		add_span(&meter->busy, bytes, us);
		/* Else the span tells of latency, not of capacity. */
		if (meter->was_queued && queued)
			add_span(&meter->queued, bytes, us);
	}
	meter->was_queued = queued;
	meter->acked = now->acked;
	meter->since_us = now_us;
	take_queued(meter, capacity);
	take_busy(meter, capacity);
}

void rj_meter_coding(struct rj_meter *meter, const struct rj_wire_now *now,
		     uint64_t now_us, bool busy, struct rj_smooth *page_rate)
{
	const uint64_t full = now->full_pages - meter->full_pages;
	const uint64_t coded = now->coded_pages - meter->coded_pages;
	const bool queued = (meter->was_queued && now->queued) || now->held;
	const bool codes = (double)coded > CODED_SHARE * (double)full;

	meter->full_pages = now->full_pages;
	meter->coded_pages = now->coded_pages;
	if (full >= CODED_PAGES && !codes)
		*page_rate = (struct rj_smooth){ 0 };
	if (!busy || !meter->since_us || queued || !codes ||
	    now_us - meter->since_us < CODED_US)
		return;
	meter->coding_pages += full;
	meter->coding_us += now_us - meter->since_us;
	if (meter->coding_us < SAMPLE_US || meter->coding_pages < CODED_PAGES)
		return;
	rj_smooth_add(page_rate, (double)meter->coding_pages * 1e6 /
					 (double)meter->coding_us);
	meter->coding_pages = meter->coding_us = 0;
}

void rj_meter_arrived(const struct rj_meter *meter, uint64_t bytes, uint64_t us,
		      struct rj_smooth *capacity)
{
	const struct rj_meter_span span = { .bytes = bytes, .us = us };

	if (us && meter->measured < TRUSTED_SAMPLES &&
	    rate(&span) > capacity->mean)
		restart(capacity, rate(&span));
}

uint64_t rj_meter_still_us(const struct rj_meter *meter, uint64_t now_us)
{
	return meter->moved_us ? now_us - meter->moved_us : 0;
}
