/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/give_way.h"

#include "util/clock.h"
#include "util/log.h"

/* Some files are read: more often would cost more than it tells. */
#define LOOK_NS UINT64_C(1000000000)

static uint32_t limit_of(const struct rj_source_lanes *lanes)
{
	const uint32_t percent = lanes->reduction.cpu_percent;

	return percent ? percent : 100;
}

void rj_give_way_begin(struct rj_source_lanes *lanes)
{
	lanes->room.cpus = lanes->plan.cpus.cpus;
	lanes->pressure = (struct rj_cpu_pressure){ 0 };
	atomic_store_explicit(&lanes->room.zstd_percent, limit_of(lanes),
			      memory_order_relaxed);
}

void rj_give_way_tick(struct rj_source_lanes *lanes, const struct rj_env *env)
{
	const uint32_t was = atomic_load_explicit(&lanes->room.zstd_percent,
						  memory_order_relaxed);
	const uint64_t now_ns = rj_now_ns();
	uint64_t unserved_ns = 0;
	uint32_t percent;
	double pressure;

	if (!lanes->reduction.adaptive ||
	    lanes->reduction.level == RJ_LEVEL_OFF ||
	    now_ns - lanes->pressure.looked_ns < LOOK_NS)
		return;
	for (unsigned i = 0; i < lanes->channel_count; i++)
		unserved_ns += rj_counter(&lanes->counters[i].unserved_ns);
	pressure =
		rj_cpu_pressure_look(&lanes->pressure, "", unserved_ns, now_ns);
	percent = rj_cpu_give_way(was, limit_of(lanes), pressure);
	if (percent == was)
		return;
	atomic_store_explicit(&lanes->room.zstd_percent, percent,
			      memory_order_relaxed);
	rj_log(env->log, RJ_LOG_INFO,
	       "compression: up to %u %% of a channel's time; others wait for "
	       "a CPU %.0f %% of the time",
	       percent, pressure * 100);
}
