/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_FORECAST_FORECAST_H
#define RJ_ENGINE_FORECAST_FORECAST_H
/*
 * What the source expects: everything that is measured on the way, and the pause
 * that follows from it. Pure arithmetic on what it is told, no clock, no lock: the
 * control thread's.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/forecast/arrival.h"
#include "engine/forecast/convergence.h"
#include "engine/forecast/estimate.h"
#include "engine/forecast/meter.h"
#include "engine/forecast/outlook.h"

struct rj_forecast {
	struct rj_estimate estimate;
	struct rj_pause pause;   /* the latest prediction */
	uint64_t next_us;        /* the pause, a round later */
	uint64_t convergence_us; /* until it fits; UINT64_MAX: never */
	struct rj_meter meter;
	struct rj_wire_now wire; /* at the latest tick */
	struct rj_arrival arrival;
	struct rj_convergence convergence;
	struct rj_outlook outlook;
	double tcp_rtt_us; /* the least; 0: none yet */
	bool one_way;      /* nobody tells what has arrived */
};

/* What is seen of the path to the target and back. */
struct rj_path_seen {
	double tcp_us;    /* of the slowest connection, with what is queued */
	uint32_t rtt_us;  /* as questions and answers show it; 0: none yet */
	uint32_t high_us; /* nine of ten are within this; 0: not known */
};

/* So is the wire now; `busy`: workers had work since the last time. */
void rj_forecast_look(struct rj_forecast *forecast,
		      const struct rj_wire_now *wire, bool busy,
		      uint64_t now_us);
/* All rounds before `left` have their fences on the way, all before `applied`
 * are in the target's memory. */
void rj_forecast_follow(struct rj_forecast *forecast, uint32_t left,
			uint32_t applied, uint64_t now_us);
void rj_forecast_take_path(struct rj_forecast *forecast,
			   const struct rj_path_seen *seen);
/* What is under way is later by this than its queue and the path explain. */
double rj_forecast_overdue_us(const struct rj_forecast *forecast,
			      uint64_t now_us);
/* The pause, if the guest were stopped now; `knows_path`: else it is not known. */
void rj_forecast_predict(struct rj_forecast *forecast,
			 const struct rj_pause_inputs *inputs, bool knows_path,
			 uint64_t limit_us);
static inline bool rj_forecast_fits(const struct rj_forecast *forecast,
				    uint64_t limit_us)
{
	return forecast->pause.known && forecast->pause.p90_us <= limit_us;
}
#endif
