/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rounds while the guest runs. Each one is opened, left to the workers until
 * it runs low, and followed by a collect of what was written meanwhile; then
 * the pause is predicted: if it fits, the switchover comes next.
 */
#include <errno.h>
#include <math.h>

#include "engine/migration/callback.h"
#include "engine/source/channels.h"
#include "engine/source/helpers.h"
#include "engine/source/outgoing.h"
#include "util/clock.h"
#include "util/error.h"

/* Rounds are not collected more often than this, whatever they hold. Chosen: a
 * collect costs the guest faults, and less dirt is left for the pause. */
#define ROUND_MIN_US 5000u
/* Nor more often than so many times on the way there and back: until then
 * nobody knows what has become of the ones before (decision 020). */
#define ROUNDS_A_TRIP 4u
#define ROUND_MAX_US  50000u
/* While held, an unhurried rhythm. Chosen, as are the ticks: how soon something
 * is noticed that wakes nobody, such as what the kernel has acknowledged. */
#define HELD_ROUND_US 50000u
#define TICK_MS       20
#define IDLE_TICK_MS  5 /* with nothing to send */
/* What an empty round takes beside the way there and back (as in path.c). */
#define EMPTY_ROUND_US 1000.0

/* How long the open round takes at least. */
static uint64_t round_min_us(const struct rj_outgoing *out)
{
	const uint64_t trip_us = rj_link_rtt_us(&out->link);
	const uint64_t us = trip_us / ROUNDS_A_TRIP;

	if (!rj_source_knows_path(out))
		return ROUND_MAX_US;
	/* Nothing was written: one more look is worth nothing before what is
	 * on its way has arrived. */
	if (out->idle && !out->one_way && out->applied <= out->round)
		return ROUND_MIN_US + 2 * trip_us;
	return us < ROUND_MIN_US   ? ROUND_MIN_US
	       : us > ROUND_MAX_US ? ROUND_MAX_US
				   : us;
}

static uint64_t elapsed_us(const struct rj_outgoing *out)
{
	return rj_now_us() - out->round_began_us;
}

static uint64_t launched_bytes(const struct ramjet_migration *m)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < m->out->channel_count; i++)
		bytes += rj_counter(&m->counters[i].launched_bytes);
	return bytes;
}

static void open_round(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	const uint64_t pages = rj_rounds_next_pages(&out->rounds);
	const uint64_t launched = launched_bytes(m);

	out->round_began_us = rj_now_us();
	out->round = rj_rounds_open(&out->rounds, false);
	rj_arrival_opened(&out->arrival, out->round, pages, launched,
			  out->round_began_us);
}

/*
 * How many pages are sent while one collect runs: collecting earlier would
 * find less dirt per round, later would leave workers idle.
 */
static uint64_t low_pages(const struct rj_outgoing *out)
{
	const struct rj_estimate *e = &out->estimate;
	const double ahead_us = e->sync_us.mean + 1000;
	const double share = e->raw_share > 0.01 ? e->raw_share : 1;

	return (uint64_t)(e->capacity.mean * ahead_us / 1e6 /
			  (RAMJET_PAGE_BYTES * share));
}

static void publish(struct ramjet_migration *m, const struct rj_wire_now *wire)
{
	struct rj_outgoing *out = m->out;
	const struct rj_smooth *capacity = &out->estimate.capacity;

	rj_lock(&m->lock);
	m->stats.remaining_pages =
		rj_rounds_remaining(&out->rounds) + wire->in_hand_pages;
	rj_statistics_rate(&m->stats, rj_source_sent(m).payload_bytes,
			   rj_now_us());
	m->stats.control_bytes = out->link.bytes;
	m->stats.control_cpu_us = rj_thread_cpu_us();
	m->stats.capacity_bytes_per_s = (uint64_t)capacity->mean;
	m->stats.capacity_spread_bytes_per_s =
		(uint64_t)rj_smooth_spread(capacity);
	if (capacity->samples)
		m->stats.known |= RAMJET_KNOWN_CAPACITY;
	rj_unlock(&m->lock);
}

/* Tell the forecast which rounds have left, and which the target has
 * applied. */
static void follow_rounds(struct rj_outgoing *out,
			  const struct rj_wire_now *wire)
{
	const uint32_t left = rj_rounds_all_left(&out->rounds) ? out->round + 1
			      : rj_rounds_can_fill(&out->rounds) ? out->round
								 : 0;
	const uint64_t now_us = rj_now_us();
	const double capacity = out->estimate.capacity.mean;

	rj_arrival_left(
		&out->arrival, left, wire->launched,
		capacity > 0 ? (uint64_t)((double)wire->queued * 1e6 / capacity)
			     : 0,
		now_us);
	rj_arrival_applied(&out->arrival, out->applied, wire->acked, capacity,
			   now_us);
	rj_meter_arrived(&out->meter, out->arrival.came_bytes,
			 out->arrival.came_us, &out->estimate.capacity);
	out->estimate.latency_us = out->arrival.latency_us;
}

static int check_stall(struct ramjet_migration *m, struct ramjet_error *err)
{
	const uint64_t limit_us =
		rj_migration_params(m).stall_timeout_ms * UINT64_C(1000);
	const uint64_t still_us =
		rj_meter_still_us(&m->out->meter, rj_now_us());

	if (!limit_us || still_us < limit_us ||
	    rj_rounds_all_left(&m->out->rounds))
		return 0;
	return rj_fail(err, -ETIMEDOUT,
		       "stalled: the target has taken no byte for %llu ms",
		       (unsigned long long)still_us / 1000);
}

/* Is the target alive? Any byte that its kernel takes counts, and any
 * message. */
static int check_pulse(struct ramjet_migration *m,
		       const struct rj_wire_now *wire, struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	const uint64_t activity =
		wire->acked +
		atomic_load_explicit(&out->link.heard, memory_order_relaxed);

	if (out->one_way ||
	    rj_heartbeat_look(&out->heartbeat, activity, &out->link.ping,
			      rj_now_ns()) != RJ_PULSE_DEAD)
		return 0;
	return rj_fail(
		err, -ETIMEDOUT,
		"control link: the target has said nothing for %llu s, "
		"and does not answer: it is stopped, or gone while "
		"another process holds its connections",
		(unsigned long long)(rj_heartbeat_limits.dead_ns / 1000000000));
}

static int tick(struct ramjet_migration *m, bool busy, struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	const struct rj_wire_now wire = rj_source_look(m);
	int rc;

	rj_meter_tick(&out->meter, &wire, rj_now_us(), busy,
		      &out->estimate.capacity);
	out->wire = wire;
	follow_rounds(out, &wire);
	rj_source_channels_tick(m, &wire, busy);
	publish(m, &wire);
	rc = rj_source_ping(m, err);
	if (!rc)
		rc = check_pulse(m, &wire, err);
	return rc ? rc : check_stall(m, err);
}

/* Until the open round is nearly through, and the next may be filled. */
static int wait_low(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	bool idle = false;
	int rc = 0;

	rj_rounds_set_low(&out->rounds, low_pages(out));
	while (!rc) {
		const uint64_t us = elapsed_us(out);
		const uint64_t least_us = round_min_us(out);

		if (rj_rounds_can_fill(&out->rounds) && us >= least_us &&
		    (idle ||
		     rj_rounds_open_pages(&out->rounds) <= low_pages(out)))
			return 0;
		rc = rj_source_pump(m, idle ? IDLE_TICK_MS : TICK_MS, err);
		if (!rc)
			rc = tick(m, !idle, err);
		if (!rc)
			rc = rj_source_check_helpers(m, err);
		idle = rj_rounds_all_left(&out->rounds);
	}
	return rc;
}

/* Since the round before was accounted: what goes out while the next is filled
 * counts to the next, so that the rounds add up to the whole. */
static struct rj_sent sent_in_round(struct ramjet_migration *m)
{
	const struct rj_sent before = m->out->sent;
	const struct rj_sent now = rj_source_sent(m);

	m->out->sent = now;
	return (struct rj_sent){
		.wire_bytes = now.wire_bytes - before.wire_bytes,
		.payload_bytes = now.payload_bytes - before.payload_bytes,
		.raw_pages = now.raw_pages - before.raw_pages,
		.zero_pages = now.zero_pages - before.zero_pages,
	};
}

/* What throttling has cost the guest since this was last called. */
static void account_throttle(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	const uint64_t now = rj_now_us();

	rj_lock(&m->lock);
	m->stats.throttled_us +=
		(now - out->throttled_since_us) * out->throttle_set / 100;
	rj_unlock(&m->lock);
	out->throttled_since_us = now;
}

static void record_round(struct ramjet_migration *m,
			 const struct rj_sent *round, uint64_t dirtied)
{
	struct rj_outgoing *out = m->out;
	const uint64_t us = elapsed_us(out);
	const struct ramjet_round_info info = {
		.pages = round->raw_pages + round->zero_pages,
		.bytes = round->payload_bytes,
		.dirtied_pages = dirtied,
		.us = us,
	};

	account_throttle(m);
	rj_lock(&m->lock);
	rj_statistics_add_round(&m->stats, &info);
	if (out->sync_interval_us) {
		m->stats.dirty_pages_per_s =
			dirtied * 1000000u / out->sync_interval_us;
		m->stats.known |= RAMJET_KNOWN_DIRTY_RATE;
	}
	if (out->pause.known)
		m->stats.known |=
			RAMJET_KNOWN_PREDICTION | RAMJET_KNOWN_CONVERGENCE;
	m->stats.predicted_p50_us = out->pause.p50_us;
	m->stats.predicted_p90_us = out->pause.p90_us;
	m->stats.convergence_us = out->convergence_us;
	m->stats.path_rtt_us = (uint64_t)out->estimate.rtt_us;
	if (m->stats.path_rtt_us)
		m->stats.known |= RAMJET_KNOWN_PATH_RTT;
	m->stats.throttle_percent = out->convergence.throttle_percent;
	rj_unlock(&m->lock);
}

/* Longer than what went so far would explain. */
static double overdue_us(const struct rj_outgoing *out)
{
	const uint64_t late_us = rj_arrival_late_us(&out->arrival, rj_now_us());
	const double usual_us =
		fmax(out->arrival.latency_us.mean, out->estimate.rtt_us);

	if (out->one_way || late_us == UINT64_MAX)
		return 0;
	return fmax((double)late_us - usual_us - EMPTY_ROUND_US, 0);
}

struct rj_pause_inputs rj_source_pause_inputs(struct ramjet_migration *m)
{
	const struct ramjet_params params = rj_migration_params(m);
	struct rj_outgoing *out = m->out;
	const struct rj_wire_now wire = rj_source_look(m);
	const double cap = (double)params.bandwidth_bytes_per_s;
	struct rj_pause_inputs inputs = {
		.unsent_pages = (double)(rj_rounds_remaining(&out->rounds) +
					 wire.in_hand_pages),
		.queued_bytes = rj_arrival_waiting_bytes(&out->arrival,
							 (double)wire.queued),
		.capacity = (double)params.switchover_bandwidth_bytes_per_s,
		.overdue_us = overdue_us(out),
	};

	/* A cap that was lowered just now holds before it is measured. */
	if (cap > 0 && !params.uncapped_switchover && inputs.capacity <= 0 &&
	    (out->estimate.capacity.mean > cap ||
	     !out->estimate.capacity.samples))
		inputs.capacity = cap;
	return inputs;
}

static void predict(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	const uint64_t limit_us = atomic_load(&m->downtime_limit_us);
	struct rj_pause_inputs inputs;

	rj_source_take_rtt(m);
	out->estimate.state_hint_us =
		(double)rj_migration_params(m).state_hint_us;
	inputs = rj_source_pause_inputs(m);
	rj_estimate_pause(&out->estimate, &inputs, &out->pause);
	/* Unless one way, the path is a part of it, whatever TCP says. */
	out->pause.known &= rj_source_knows_path(out);
	out->next_us = rj_estimate_next_us(&out->estimate, &inputs);
	out->convergence_us =
		rj_estimate_convergence(&out->estimate, &inputs, limit_us);
}

static bool fits(struct ramjet_migration *m)
{
	return m->out->pause.known &&
	       m->out->pause.p90_us <= atomic_load(&m->downtime_limit_us);
}

static void say_what_would_do(struct ramjet_migration *m)
{
	const struct rj_outgoing *out = m->out;
	const bool can_throttle =
		!rj_migration_params(m).throttle && m->guest->ops.throttle;

	rj_log(&m->log, RJ_LOG_WARNING,
	       "a pause within %.1f ms is out of reach: the guest writes %.1f "
	       "MiB/s, the wire takes %.1f MiB/s; a limit of %.1f ms would "
	       "do%s",
	       (double)atomic_load(&m->downtime_limit_us) / 1000.0,
	       (double)m->stats.dirty_pages_per_s * RAMJET_PAGE_BYTES /
		       1048576.0,
	       out->estimate.capacity.mean / 1048576.0,
	       (double)out->outlook.needed_us / 1000.0,
	       can_throttle ? ", throttling the guest may" : "");
}

/* Warn when the limit is out of reach, and say which limit would do. */
static void look_out(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	bool say;

	if (!out->pause.known)
		return;
	say = rj_outlook_look(&out->outlook, out->pause.p90_us, fits(m),
			      rj_now_us());
	rj_lock(&m->lock);
	m->stats.limit_needed_us = out->outlook.needed_us;
	rj_unlock(&m->lock);
	if (say)
		say_what_would_do(m);
}

/* What was sent must have arrived, or be on its way for no longer than the
 * pause may take: a target that is further behind would need that time. */
static bool is_caught_up(struct ramjet_migration *m)
{
	const struct rj_outgoing *out = m->out;

	return out->one_way ||
	       rj_arrival_behind_us(&out->arrival, rj_now_us()) <=
		       atomic_load(&m->downtime_limit_us);
}

/* Bytes/s that the wire would take, as far as that is known. */
static double capacity_now(struct ramjet_migration *m)
{
	const double cap = (double)rj_migration_params(m).bandwidth_bytes_per_s;
	const double measured = m->out->estimate.capacity.mean;

	return cap > 0 && cap < measured ? cap : measured;
}

static enum rj_advice advise(struct ramjet_migration *m,
			     const struct rj_sent *round, uint64_t dirtied)
{
	const struct ramjet_params params = rj_migration_params(m);
	struct rj_outgoing *out = m->out;
	const double share =
		out->estimate.raw_share > 0 ? out->estimate.raw_share : 1;
	const double sent = (double)round->payload_bytes;
	const struct rj_round_outcome outcome = {
		.sent_bytes = sent,
		.room_bytes =
			fmax(sent, capacity_now(m) *
					   (double)out->sync_interval_us / 1e6),
		.dirtied_bytes = (double)dirtied * share * RAMJET_PAGE_BYTES,
		.p50_us = out->pause.p50_us,
		.next_us = out->next_us,
		.known = out->pause.known,
		.fits = fits(m),
		.caught_up = is_caught_up(m),
		.wanted = atomic_load(&m->switch_now),
		.can_throttle = params.throttle && m->guest->ops.throttle,
	};

	return rj_convergence_advise(&out->convergence, &outcome, &params);
}

static int set_throttle(struct ramjet_migration *m, uint32_t percent,
			struct ramjet_error *err)
{
	int rc;

	if (m->out->throttle_set == percent)
		return 0;
	account_throttle(m);
	/* Set before the call: a throttle that failed half-way must be lifted,
	 * too. */
	m->out->throttle_set = percent;
	rc = rj_call_throttle(m, percent, err);
	if (rc)
		return rc;
	rj_log(&m->log, RJ_LOG_INFO, "vCPUs throttled by %u %%", percent);
	return 0;
}

void rj_source_lift_throttle(struct ramjet_migration *m)
{
	struct ramjet_error err = { 0 };

	if (!m->out->throttle_set)
		return;
	if (set_throttle(m, 0, &err))
		rj_log(&m->log, RJ_LOG_ERROR,
		       "the guest may stay throttled: %s", err.message);
	rj_lock(&m->lock);
	m->stats.throttle_percent = 0;
	rj_unlock(&m->lock);
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

static int give_up(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct rj_outgoing *out = m->out;

	return rj_fail(
		err, -ETIME,
		"does not converge: the guest writes %.1f MiB/s, the wire "
		"takes %.1f MiB/s; a pause of %.0f ms would do now, the limit "
		"is %.0f ms",
		(double)m->stats.dirty_pages_per_s * RAMJET_PAGE_BYTES /
			1048576.0,
		out->estimate.capacity.mean / 1048576.0,
		(double)out->pause.p90_us / 1000.0,
		(double)atomic_load(&m->downtime_limit_us) / 1000.0);
}

/* 1: switch over now; 0: another round. */
static int follow(struct ramjet_migration *m, enum rj_advice advice,
		  struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	int rc;

	out->forced = advice == RJ_ADVICE_GO_ANYWAY;
	switch (advice) {
	case RJ_ADVICE_GO_ANYWAY:
		if (atomic_load(&m->switch_now))
			return 1;
		break;
	case RJ_ADVICE_SWITCH:
		if (atomic_load(&m->switch_now))
			return 1;
		return hold(m, err);
	case RJ_ADVICE_THROTTLE:
		rc = set_throttle(m, out->convergence.throttle_percent, err);
		return rc ? rc : unhold(m);
	case RJ_ADVICE_GIVE_UP:
		return give_up(m, err);
	case RJ_ADVICE_GO_ON:
		break;
	}
	return unhold(m);
}

/* What this guest's own calls have taken in earlier tries. */
static void begin_estimate(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;

	if (out->began_estimate)
		return;
	out->began_estimate = true;
	rj_lock(&m->guest->lock);
	out->estimate.costs = m->guest->costs;
	rj_unlock(&m->guest->lock);
}

int rj_source_precopy(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_sent round;
	uint64_t dirtied = 0;
	int rc;

	begin_estimate(m);
	/* Ask once more before pages are sent that an answer would wait behind:
	 * the first answer may have been late. */
	rc = rj_source_pump(m, 0, err);
	if (!rc)
		rc = rj_source_ping(m, err);
	if (rc)
		return rc;
	for (;;) {
		open_round(m);
		rc = wait_low(m, err);
		if (rc)
			return rc;
		round = sent_in_round(m);
		/* The first round says what memory holds, not what is written. */
		if (m->out->round)
			rj_estimate_pages(&m->out->estimate, round.raw_pages,
					  round.zero_pages);
		rc = rj_source_collect(m, &dirtied, err);
		m->out->idle =
			!dirtied && !rj_rounds_remaining(&m->out->rounds);
		if (!rc)
			rc = tick(m, !rj_rounds_all_left(&m->out->rounds), err);
		if (rc)
			return rc;
		predict(m);
		record_round(m, &round, dirtied);
		look_out(m);
		rc = follow(m, advise(m, &round, dirtied), err);
		if (rc)
			return rc < 0 ? rc : 0;
	}
}
