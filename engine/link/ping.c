/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/ping.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"

bool rj_ping_is_due(const struct rj_ping *ping, uint64_t interval_ns,
		    uint64_t now_ns)
{
	return !ping->awaited &&
	       (!ping->sent_ns || now_ns - ping->sent_ns >= interval_ns);
}

uint64_t rj_ping_ask(struct rj_ping *ping, bool laden, uint64_t now_ns)
{
	ping->laden = laden;
	ping->sent_ns = now_ns;
	ping->awaited = true;
	return ++ping->token;
}

static int compare(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* Of the latest answers, in order, the one at `tenths` of the way. */
static uint32_t quantile(const struct rj_ping *ping, unsigned tenths)
{
	const size_t count = ping->answers < RJ_PING_SAMPLES ? ping->answers
							     : RJ_PING_SAMPLES;
	uint32_t sorted[RJ_PING_SAMPLES];

	if (!count)
		return 0;
	memcpy(sorted, ping->samples_us, sizeof(sorted));
	qsort(sorted, count, sizeof(*sorted), compare);
	/* An answer is late when the peer's thread had to wait for a CPU: the
	 * worst one of all never counts. */
	return sorted[(count - 1) * tenths / 10];
}

uint32_t rj_ping_rtt_us(const struct rj_ping *ping)
{
	return quantile(ping, 5);
}

uint32_t rj_ping_least_us(const struct rj_ping *ping)
{
	return quantile(ping, 0);
}

uint32_t rj_ping_high_us(const struct rj_ping *ping)
{
	return quantile(ping, 9);
}

static void add_sample(struct rj_ping *ping, uint64_t us)
{
	const bool knows_better = ping->answers && !ping->all_laden;

	/* Queueing only makes it longer: a shorter time had less of it. */
	if (ping->laden && knows_better && us >= rj_ping_rtt_us(ping))
		return;
	if (!ping->laden && ping->all_laden)
		ping->answers = 0;
	ping->all_laden = ping->laden && !knows_better;
	if (!us)
		us = 1;
	if (us > UINT32_MAX)
		us = UINT32_MAX;
	ping->samples_us[ping->answers++ % RJ_PING_SAMPLES] = (uint32_t)us;
}

int rj_ping_answered(struct rj_ping *ping, uint64_t token, uint64_t now_ns,
		     struct ramjet_error *err)
{
	if (!ping->awaited || token != ping->token)
		return rj_fail(err, -EPROTO, "PONG answers no PING");
	ping->awaited = false;
	add_sample(ping, (now_ns - ping->sent_ns) / 1000);
	return 0;
}
