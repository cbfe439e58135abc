/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_TCP_H
#define RJ_RINGIO_TCP_H
/* What TCP does for us: keeping a pace, and telling how it fares. */
#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"

/* What the kernel tells of a connection. */
struct rj_channel_tcp {
	uint32_t rtt_us;
	uint64_t bytes_acked;
	uint64_t busy_us, rwnd_limited_us, sndbuf_limited_us;
	uint32_t notsent_bytes, unacked_bytes;
	uint32_t retransmits; /* of the same bytes, in a row, unanswered */
};

/* Bytes per second, 0 = no cap. */
RJ_NODISCARD int rj_tcp_set_rate(int fd, uint64_t bytes_per_s);
/* A wait for data ends only when so many bytes are there, or the peer has sent
 * all it will. The kernel lowers the mark to what its buffers can hold. */
void rj_tcp_set_low_water(int fd, uint32_t bytes);
/* Both ends have the same address. */
bool rj_tcp_is_local(int fd);
/* Zeros where it tells nothing. */
void rj_tcp_info(int fd, struct rj_channel_tcp *ret);
#endif
