/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/forecast/forecast.h"

#include <math.h>

/* What an empty round takes beside the way there and back. Chosen: threads on
 * both sides wake up; too much makes the path look shorter. */
#define EMPTY_ROUND_US 1000.0

void rj_forecast_look(struct rj_forecast *forecast,
		      const struct rj_wire_now *wire, bool busy,
		      uint64_t now_us)
{
	rj_meter_coding(&forecast->meter, wire, now_us, busy,
			&forecast->estimate.page_rate);
	rj_meter_tick(&forecast->meter, wire, now_us, busy,
		      &forecast->estimate.capacity);
	forecast->wire = *wire;
}

void rj_forecast_follow(struct rj_forecast *forecast, uint32_t left,
			uint32_t applied, uint64_t now_us)
{
	const struct rj_wire_now *wire = &forecast->wire;
	struct rj_arrival *arrival = &forecast->arrival;
	struct rj_smooth *capacity = &forecast->estimate.capacity;
	const double queue_us =
		capacity->mean > 0 ? (double)wire->queued * 1e6 / capacity->mean
				   : 0;

	rj_arrival_left(arrival, left, wire->launched, (uint64_t)queue_us,
			now_us);
	rj_arrival_applied(arrival, applied, wire->acked, capacity->mean,
			   now_us);
	rj_meter_arrived(&forecast->meter, arrival->came_bytes,
			 arrival->came_us, capacity);
	forecast->estimate.latency_us = arrival->latency_us;
}

void rj_forecast_take_path(struct rj_forecast *forecast,
			   const struct rj_path_seen *seen)
{
	struct rj_estimate *estimate = &forecast->estimate;
	const struct rj_smooth *latency = &forecast->arrival.latency_us;

	/* Under load it holds queueing, which is a term of its own. */
	if (forecast->tcp_rtt_us <= 0 || seen->tcp_us < forecast->tcp_rtt_us)
		forecast->tcp_rtt_us = seen->tcp_us;
	/* A path through others is longer than the first of its connections:
	 * so TCP and empty rounds count only until the target has answered. */
	if (!seen->rtt_us) {
		estimate->rtt_us =
			fmax(forecast->tcp_rtt_us,
			     forecast->arrival.path_us - EMPTY_ROUND_US);
		return;
	}
	estimate->rtt_us = seen->rtt_us;
	estimate->rtt_high_us = seen->high_us;
	/* A small round goes all that way, too: an answer that took longer was
	 * late for another reason, as when this process was stopped. */
	if (latency->samples && latency->mean < estimate->rtt_us)
		estimate->rtt_us = estimate->rtt_high_us = latency->mean;
}

double rj_forecast_overdue_us(const struct rj_forecast *forecast,
			      uint64_t now_us)
{
	const uint64_t late_us = rj_arrival_late_us(&forecast->arrival, now_us);
	const double usual_us = fmax(forecast->arrival.latency_us.mean,
				     forecast->estimate.rtt_us);

	if (late_us == UINT64_MAX)
		return 0;
	return fmax((double)late_us - usual_us - EMPTY_ROUND_US, 0);
}

void rj_forecast_predict(struct rj_forecast *forecast,
			 const struct rj_pause_inputs *inputs, bool knows_path,
			 uint64_t limit_us)
{
	const struct rj_estimate *estimate = &forecast->estimate;

	rj_estimate_pause(estimate, inputs, &forecast->pause);
	/* Unless one way, the path is a part of it, whatever TCP says. */
	forecast->pause.known &= knows_path;
	forecast->next_us = rj_estimate_next_us(estimate, inputs);
	forecast->convergence_us =
		rj_estimate_convergence(estimate, inputs, limit_us);
}
