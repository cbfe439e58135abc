/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rounds while the guest runs. Each one is opened, left to the workers until
 * it runs low, and followed by a collect of what was written meanwhile; then
 * the pause is predicted: if it fits, the switchover comes next.
 */
#include <errno.h>

#include "engine/outgoing.h"
#include "util/clock.h"
#include "util/error.h"

/* Rounds are not collected more often than this, whatever they hold. */
#define ROUND_MIN_US 5000u
/* While held, an unhurried rhythm. */
#define HELD_ROUND_US 50000u
/* A span too short says nothing about capacity. */
#define SAMPLE_MIN_US 1000u
#define PUMP_MAX_MS   1000

static uint64_t elapsed_us(const struct rj_outgoing *out)
{
	return rj_now_us() - out->round_began_us;
}

static void open_round(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;

	out->sent = rj_source_sent(m);
	out->round_began_us = rj_now_us();
	(void)rj_rounds_open(&out->rounds, false);
}

/*
 * How many pages are sent while one collect runs: collecting earlier would
 * find less dirt per round, later would leave workers idle.
 */
static uint64_t low_pages(const struct rj_outgoing *out)
{
	const struct rj_estimate *e = &out->estimate;
	const double ahead_us = e->sync_us.mean + 1000;
	const double share = e->raw_share.mean > 0.01 ? e->raw_share.mean : 1;

	return (uint64_t)(e->capacity.mean * ahead_us / 1e6 /
			  (RAMJET_PAGE_BYTES * share));
}

static void publish_rate(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	const struct rj_sent now = rj_source_sent(m);
	const uint64_t us = elapsed_us(out);

	rj_lock(&m->lock);
	m->stats.remaining_pages = rj_rounds_remaining(&out->rounds);
	m->stats.control_bytes = out->link.bytes;
	m->stats.control_cpu_us = rj_thread_cpu_us();
	if (us >= SAMPLE_MIN_US)
		m->stats.current_bytes_per_s =
			(now.payload_bytes - out->sent.payload_bytes) *
			1000000u / us;
	rj_unlock(&m->lock);
}

/* Until the open round is nearly through, and the next may be filled. */
static int wait_low(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	int rc = 0;

	rj_rounds_set_low(&out->rounds, low_pages(out));
	while (!rc) {
		const uint64_t us = elapsed_us(out);
		int timeout_ms = 100;

		if (rj_rounds_can_fill(&out->rounds) && us >= ROUND_MIN_US &&
		    (rj_rounds_all_left(&out->rounds) ||
		     rj_rounds_open_pages(&out->rounds) <= low_pages(out)))
			return 0;
		if (us < ROUND_MIN_US)
			timeout_ms = (int)((ROUND_MIN_US - us) / 1000) + 1;
		rc = rj_source_pump(m, timeout_ms, err);
		publish_rate(m);
	}
	return rc;
}

/* Feed the estimator with what the round has shown. */
static struct rj_sent measure_round(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	const struct rj_sent now = rj_source_sent(m);
	const uint64_t us = elapsed_us(out);
	const struct rj_sent round = {
		.wire_bytes = now.wire_bytes - out->sent.wire_bytes,
		.payload_bytes = now.payload_bytes - out->sent.payload_bytes,
		.raw_pages = now.raw_pages - out->sent.raw_pages,
		.zero_pages = now.zero_pages - out->sent.zero_pages,
	};

	if (us >= SAMPLE_MIN_US)
		rj_estimate_sent(&out->estimate, round.wire_bytes,
				 round.raw_pages, round.zero_pages, us);
	return round;
}

static void record_round(struct ramjet_migration *m,
			 const struct rj_sent *round, uint64_t dirtied)
{
	const struct rj_outgoing *out = m->out;
	const struct ramjet_round_info info = {
		.pages = round->raw_pages + round->zero_pages,
		.bytes = round->payload_bytes,
		.dirtied_pages = dirtied,
		.us = elapsed_us(out),
	};

	rj_lock(&m->lock);
	rj_statistics_add_round(&m->stats, &info);
	m->stats.dirty_pages_per_s = (uint64_t)out->estimate.dirty_per_s.mean;
	m->stats.predicted_p50_us = out->pause.p50_us;
	m->stats.predicted_p90_us = out->pause.p90_us;
	rj_unlock(&m->lock);
}

static void predict(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	const struct rj_pause_inputs inputs = {
		.unsent_pages = rj_rounds_remaining(&out->rounds),
		.cap_bytes_per_s = atomic_load(&m->bandwidth_bytes_per_s),
	};

	for (unsigned i = 0; i < out->channel_count; i++) {
		const uint32_t rtt_us = atomic_load_explicit(
			&m->counters[i].rtt_us, memory_order_relaxed);

		if (rtt_us > out->estimate.rtt_us)
			out->estimate.rtt_us = rtt_us;
	}
	rj_estimate_pause(&out->estimate, &inputs, &out->pause);
}

static bool fits(const struct ramjet_migration *m)
{
	const struct rj_pause *pause = &m->out->pause;

	return pause->known &&
	       pause->p90_us <= atomic_load(&m->downtime_limit_us);
}

/* Ready, but told to wait: hold the state, keep the rounds going slowly. */
static int hold(struct ramjet_migration *m, struct ramjet_error *err)
{
	const uint64_t until_us = rj_now_us() + HELD_ROUND_US;
	int rc = 0;

	if (ramjet_migration_state(m) == RAMJET_STATE_ACTIVE &&
	    !rj_migration_set_state(m, RAMJET_STATE_HELD))
		return -ECANCELED;
	while (!rc && rj_now_us() < until_us && !atomic_load(&m->switch_now))
		rc = rj_source_pump(m, (int)(HELD_ROUND_US / 1000), err);
	return rc;
}

static int unhold(struct ramjet_migration *m)
{
	if (ramjet_migration_state(m) == RAMJET_STATE_HELD &&
	    !rj_migration_set_state(m, RAMJET_STATE_ACTIVE))
		return -ECANCELED;
	return 0;
}

int rj_source_precopy(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_sent round;
	uint64_t dirtied = 0;
	int rc;

	for (;;) {
		open_round(m);
		rc = wait_low(m, err);
		if (rc)
			return rc;
		round = measure_round(m);
		rc = rj_source_collect(m, &dirtied, err);
		if (rc)
			return rc;
		predict(m);
		record_round(m, &round, dirtied);
		if (!fits(m))
			rc = unhold(m);
		else if (atomic_load(&m->switch_now))
			return 0;
		else
			rc = hold(m, err);
		if (rc)
			return rc;
	}
}
