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
static uint32_t path_rtt_us(const struct rj_outgoing *out)
{
	uint32_t least = 0;

	for (unsigned i = 0; i < out->lanes.channel_count; i++) {
		const struct rj_conn *conn = &out->lanes.senders[i].conn;
		struct rj_channel_tcp tcp = { 0 };

		if (conn->kind == RJ_CONN_TCP)
			rj_tcp_info(conn->fd, &tcp);
		if (tcp.rtt_us && (!least || tcp.rtt_us < least))
			least = tcp.rtt_us;
	}
	return least;
}

RJ_PRINTF(2, 3)
static void report(struct ramjet_migration *m, const char *why, ...)
{
	const struct rj_channel_plan *plan = &m->out->lanes.plan;
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
	rj_lock(&m->lock);
	rj_statistics_path_now(&m->stats, "channels", chosen, "%s", reason);
	rj_unlock(&m->lock);
}

static void begin_fixed(struct ramjet_migration *m)
{
	const struct rj_channel_plan *plan = &m->out->lanes.plan;
	char chosen[32], reason[64] = "asked for";

	(void)snprintf(chosen, sizeof(chosen), "%u",
		       m->out->lanes.channel_count);
	if (!rj_uri_is_multi(&m->uri))
		(void)snprintf(reason, sizeof(reason),
			       "the connection is the only one");
	else if (plan->opened < plan->wished)
		(void)snprintf(reason, sizeof(reason),
			       "asked for %u, the target takes no more",
			       plan->wished);
	rj_lock(&m->lock);
	rj_statistics_path_now(&m->stats, "channels", chosen, "%s", reason);
	rj_unlock(&m->lock);
	if (plan->opened < plan->wished)
		rj_log(&m->log, RJ_LOG_WARNING, "channels: %s: %s", chosen,
		       reason);
}

void rj_source_channels_begin(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	struct rj_channel_plan *plan = &out->lanes.plan;
	const struct rj_channel_count_options options = {
		.first = plan->first,
		.max = plan->opened,
		.window_us = plan->cpus.quota_period_us * QUOTA_PERIODS,
		.rtt_us = path_rtt_us(out),
	};

	if (!plan->automatic) {
		begin_fixed(m);
		return;
	}
	rj_channel_count_init(&plan->count, &options);
	rj_rounds_set_active(&out->pages.rounds, plan->first);
	report(m, "as at first");
	rj_log(&m->log, RJ_LOG_INFO,
	       "channels: %u of %u active at first; CPUs: %u (%s)", plan->first,
	       plan->opened, plan->cpus.cpus, plan->cpus.by);
}

static void tell(struct ramjet_migration *m)
{
	struct rj_channel_plan *plan = &m->out->lanes.plan;
	const struct rj_channel_duel *duel = &plan->count.duel;
	const double percent = duel->gain * 100;

	switch (duel->event) {
	case RJ_CHANNELS_TRY:
		rj_log(&m->log, RJ_LOG_INFO,
		       "channels: trying %u instead of %u", duel->to,
		       duel->from);
		return;
	case RJ_CHANNELS_KEEP:
	case RJ_CHANNELS_BACK:
		plan->tries++;
		rj_log(&m->log, RJ_LOG_INFO,
		       "channels: %u instead of %u brought %+.1f %%: %s",
		       duel->to, duel->from, percent,
		       duel->event == RJ_CHANNELS_KEEP ? "kept" : "back");
		report(m, "try %u: %u instead of %u brought %+.1f %%",
		       plan->tries, duel->to, duel->from, percent);
		return;
	case RJ_CHANNELS_TURN:
	case RJ_CHANNELS_SAME:
		return;
	}
}

/* Is it the wire's rate that is seen, and the channels that make it? Zero
 * pages cost time and move nothing. */
static bool tells_of_channels(struct ramjet_migration *m,
			      const struct rj_wire_now *wire)
{
	struct rj_channel_plan *plan = &m->out->lanes.plan;
	const struct rj_sent sent = rj_lanes_sent(&m->out->lanes);
	const uint64_t raw = sent.raw_pages - plan->raw_pages;
	const uint64_t zero = sent.zero_pages - plan->zero_pages;
	const bool queued = plan->was_queued && wire->queued;

	plan->was_queued = wire->queued > 0;
	plan->raw_pages = sent.raw_pages;
	plan->zero_pages = sent.zero_pages;
	return queued && zero <= raw &&
	       rj_rounds_open_pages(&m->out->pages.rounds) > 0;
}

static bool is_capped(const struct ramjet_migration *m)
{
	const struct rj_smooth *capacity = &m->out->forecast.estimate.capacity;
	const uint64_t cap =
		atomic_load_explicit(&m->cap_bytes_per_s, memory_order_relaxed);

	return cap && (!capacity->samples ||
		       capacity->mean >= CAPPED_SHARE * (double)cap);
}

static void set_active(struct rj_outgoing *out, unsigned active)
{
	if (active != rj_rounds_active(&out->pages.rounds))
		rj_rounds_set_active(&out->pages.rounds, active);
}

void rj_source_channels_tick(struct ramjet_migration *m,
			     const struct rj_wire_now *wire, bool busy)
{
	struct rj_channel_plan *plan = &m->out->lanes.plan;
	struct rj_channel_sample sample = {
		.now_us = rj_now_us(),
		.bytes = wire->acked,
	};

	if (!plan->automatic)
		return;
	sample.busy = tells_of_channels(m, wire) && busy;
	sample.capped = is_capped(m);
	set_active(m->out, rj_channel_count_feed(&plan->count, &sample));
	tell(m);
}

void rj_source_channels_settle(struct ramjet_migration *m)
{
	struct rj_channel_plan *plan = &m->out->lanes.plan;

	if (plan->automatic)
		set_active(m->out, rj_channel_count_settle(&plan->count));
}
