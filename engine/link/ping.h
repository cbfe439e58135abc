/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_PING_H
#define RJ_ENGINE_LINK_PING_H
/*
 * Questions to the peer that it answers at once, and how long that took: the
 * round trip of the whole path, through whatever stands in between. A question
 * that waits behind what we have sent ourselves is laden: its answer shows that
 * the peer lives, but holds queueing, which is no part of the path. Knows nothing
 * of connections.
 */
#include <stdbool.h>
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"

/* Of so many answers the median counts. Chosen: 1.5 s at ten a second; seven
 * late ones in a row change nothing. */
#define RJ_PING_SAMPLES 15u

struct rj_ping {
	uint64_t token;   /* of the latest question */
	uint64_t sent_ns; /* when it was asked; 0: never */
	bool awaited;     /* and not answered yet */
	bool laden;       /* something of ours was before it */
	bool all_laden;   /* the samples are of such: better than none */
	uint64_t answers; /* that became samples */
	uint32_t samples_us[RJ_PING_SAMPLES];
};

/* Is it time for a question? One at a time, `interval_ns` apart. */
bool rj_ping_is_due(const struct rj_ping *ping, uint64_t interval_ns,
		    uint64_t now_ns);
/* Ask: the token to send. */
uint64_t rj_ping_ask(struct rj_ping *ping, bool laden, uint64_t now_ns);
/* An answer came. The answer to a laden question is a sample only as long as
 * there are no others, or if it came sooner than they did. -EPROTO when no
 * question was open. */
RJ_NODISCARD int rj_ping_answered(struct rj_ping *ping, uint64_t token,
				  uint64_t now_ns, struct ramjet_error *err);
/* The median of the latest round trips in microseconds, at least 1; 0: none
 * was measured yet. */
uint32_t rj_ping_rtt_us(const struct rj_ping *ping);
/* Of the latest ones: the least, and what nine of ten stay within. */
uint32_t rj_ping_least_us(const struct rj_ping *ping);
uint32_t rj_ping_high_us(const struct rj_ping *ping);
#endif
