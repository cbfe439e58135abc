/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_PACING_H
#define RJ_RINGIO_PACING_H
/*
 * A token bucket for connections that the kernel does not pace. It spreads the
 * bytes of what one channel sends: it fills at the rate and holds 40 ms worth,
 * so a late wake-up costs no rate. A cap over several channels, or an exact
 * one, is the governor's (engine/send/governor.h), which decides what is sent
 * at all. Time is the caller's (rj_now_ns()).
 */
#include <stdint.h>

struct rj_pacing {
	uint64_t rate;    /* bytes/s, 0: no cap */
	uint64_t burst;   /* bytes the bucket holds */
	uint64_t quantum; /* bytes worth waking up for */
	uint64_t credit;  /* bytes x 1e9 in the bucket */
	uint64_t filled_ns;
};

/* Live: what the bucket holds is kept, as far as the new size allows. */
void rj_pacing_set(struct rj_pacing *pacing, uint64_t bytes_per_s,
		   uint64_t now_ns);
/* How many of `wanted` bytes may go now: 0, or at least a quantum or all. */
uint64_t rj_pacing_allow(struct rj_pacing *pacing, uint64_t wanted,
			 uint64_t now_ns);
void rj_pacing_take(struct rj_pacing *pacing, uint64_t bytes);
/* When rj_pacing_allow() will not be 0, if it was at now_ns. */
uint64_t rj_pacing_ready_ns(const struct rj_pacing *pacing, uint64_t wanted,
			    uint64_t now_ns);
#endif
