/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/channels.h"

#include <stdarg.h>
#include <stdio.h>

#include "engine/source/lanes.h"
#include "engine/source/outgoing.h"
#include "ringio/tcp.h"
#include "util/clock.h"

/* A quota comes in slices: a window must see some (decision 016). */
#define QUOTA_PERIODS 3u
/* Of a cap; with more, the cap is what limits. Chosen: a cap holds within some
 * per cent, and a rate that is measured over short spans varies by more. */
#define CAPPED_SHARE 0.8

/* Without load yet: the shortest of all connections; 0: unknown. */
static uint32_t path_rtt_us(const struct rj_source_lanes *lanes)
{
	uint32_t least = 0;

	for (unsigned i = 0; i < lanes->channel_count; i++) {
		const struct rj_conn *conn = &lanes->senders[i].conn;
		struct rj_channel_tcp tcp = { 0 };

		if (conn->kind == RJ_CONN_TCP)
			rj_tcp_info(conn->fd, &tcp);
		if (tcp.rtt_us && (!least || tcp.rtt_us < least))
			least = tcp.rtt_us;
	}
	return least;
}

RJ_PRINTF(3, 4)
static void report(const struct rj_channel_plan *plan, const struct rj_env *env,
		   const char *why, ...)
{
	char chosen[32], reason[160];
	va_list args;
	int length;

	(void)snprintf(chosen, sizeof(chosen), "auto: %u of %u",
		       plan->count.count, plan->opened);
	va_start(args, why);
	length = vsnprintf(reason, sizeof(reason), why, args);
	va_end(args);
	if (length > 0 && length < (int)sizeof(reason))
		(void)snprintf(reason + length, sizeof(reason) - (size_t)length,
			       "; CPUs: %u (%s)", plan->cpus.cpus,
			       plan->cpus.by);
	rj_env_path_now(env, "channels", chosen, reason);
}

static void begin_fixed(const struct rj_source_lanes *lanes, bool only_one,
			const struct rj_env *env)
{
	const struct rj_channel_plan *plan = &lanes->plan;
	char chosen[32], reason[64] = "asked for";

	(void)snprintf(chosen, sizeof(chosen), "%u", lanes->channel_count);
	if (only_one)
		(void)snprintf(reason, sizeof(reason),
			       "the connection is the only one");
	else if (plan->opened < plan->wished)
		(void)snprintf(reason, sizeof(reason),
			       "asked for %u, the target takes no more",
			       plan->wished);
	rj_env_path_now(env, "channels", chosen, reason);
	if (plan->opened < plan->wished)
		rj_log(env->log, RJ_LOG_WARNING, "channels: %s: %s", chosen,
		       reason);
}

void rj_source_channels_begin(struct rj_source_lanes *lanes,
			      struct rj_rounds *rounds, bool only_one,
			      const struct rj_env *env)
{
	struct rj_channel_plan *plan = &lanes->plan;
	const struct rj_channel_count_options options = {
		.first = plan->first,
		.max = plan->opened,
		.window_us = plan->cpus.quota_period_us * QUOTA_PERIODS,
		.rtt_us = path_rtt_us(lanes),
	};

	if (!plan->automatic) {
		begin_fixed(lanes, only_one, env);
		return;
	}
	rj_channel_count_init(&plan->count, &options);
	rj_rounds_set_active(rounds, plan->first);
	report(plan, env, "as at first");
	rj_log(env->log, RJ_LOG_INFO,
	       "channels: %u of %u active at first; CPUs: %u (%s)", plan->first,
	       plan->opened, plan->cpus.cpus, plan->cpus.by);
}

static void tell(struct rj_channel_plan *plan, const struct rj_env *env)
{
	const struct rj_channel_duel *duel = &plan->count.duel;
	const double percent = duel->gain * 100;

	switch (duel->event) {
	case RJ_CHANNELS_TRY:
		rj_log(env->log, RJ_LOG_INFO,
		       "channels: trying %u instead of %u", duel->to,
		       duel->from);
		return;
	case RJ_CHANNELS_KEEP:
	case RJ_CHANNELS_BACK:
		plan->tries++;
		rj_log(env->log, RJ_LOG_INFO,
		       "channels: %u instead of %u brought %+.1f %%: %s",
		       duel->to, duel->from, percent,
		       duel->event == RJ_CHANNELS_KEEP ? "kept" : "back");
		report(plan, env, "try %u: %u instead of %u brought %+.1f %%",
		       plan->tries, duel->to, duel->from, percent);
		return;
	case RJ_CHANNELS_TURN:
	case RJ_CHANNELS_SAME:
		return;
	}
}

/* Is it the wire's rate that is seen, and the channels that make it? Zero
 * pages cost time and move nothing. */
static bool tells_of_channels(struct rj_source_lanes *lanes,
			      struct rj_rounds *rounds,
			      const struct rj_wire_now *wire)
{
	struct rj_channel_plan *plan = &lanes->plan;
	const struct rj_sent sent = rj_lanes_sent(lanes);
	const uint64_t raw = sent.raw_pages - plan->raw_pages;
	const uint64_t zero = sent.zero_pages - plan->zero_pages;
	const bool queued = plan->was_queued && wire->queued;

	plan->was_queued = wire->queued > 0;
	plan->raw_pages = sent.raw_pages;
	plan->zero_pages = sent.zero_pages;
	return queued && zero <= raw && rj_rounds_open_pages(rounds) > 0;
}

static bool is_capped(const struct rj_forecast *forecast,
		      const struct rj_env *env)
{
	const struct rj_smooth *capacity = &forecast->estimate.capacity;
	const uint64_t cap = atomic_load_explicit(env->cap_bytes_per_s,
						  memory_order_relaxed);

	return cap && (!capacity->samples ||
		       capacity->mean >= CAPPED_SHARE * (double)cap);
}

static void set_active(struct rj_rounds *rounds, unsigned active)
{
	if (active != rj_rounds_active(rounds))
		rj_rounds_set_active(rounds, active);
}

void rj_source_channels_tick(struct rj_source_lanes *lanes,
			     struct rj_rounds *rounds,
			     const struct rj_forecast *forecast, bool busy,
			     const struct rj_env *env)
{
	struct rj_channel_plan *plan = &lanes->plan;
	const struct rj_wire_now *wire = &forecast->wire;
	struct rj_channel_sample sample = {
		.now_us = rj_now_us(),
		.bytes = wire->acked,
	};

	if (!plan->automatic)
		return;
	sample.busy = tells_of_channels(lanes, rounds, wire) && busy;
	sample.capped = is_capped(forecast, env);
	set_active(rounds, rj_channel_count_feed(&plan->count, &sample));
	tell(plan, env);
}

void rj_source_channels_settle(struct rj_source_lanes *lanes,
			       struct rj_rounds *rounds)
{
	struct rj_channel_plan *plan = &lanes->plan;

	if (plan->automatic)
		set_active(rounds, rj_channel_count_settle(&plan->count));
}
