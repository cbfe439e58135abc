/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/tcp.h"

#include <errno.h>
/* The kernel's header: the C library's tcp_info ends too early. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* Unsent bytes the socket holds at a pace: 50 ms worth, within these; at high
 * ones 2 ms worth, as each half of it is a wake-up of the sender. Chosen: what
 * waits here is stale before it leaves, and too little leaves gaps. */
#define NOTSENT_PER_S      20u
#define NOTSENT_FAST_PER_S 500u
#define NOTSENT_MIN        UINT64_C(16384)
#define NOTSENT_MAX        UINT64_C(262144)
#define NOTSENT_FAST_MAX   UINT64_C(1048576)

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
	return value < least ? least : value > most ? most : value;
}

/*
 * The pace is kept by the kernel. Without the low-water mark the socket would
 * take megabytes ahead of it: stale pages in the way of newer ones.
 */
int rj_tcp_set_rate(int fd, uint64_t bytes_per_s)
{
	uint64_t pace = bytes_per_s ? bytes_per_s : UINT64_MAX;
	const uint64_t most = clamp(bytes_per_s / NOTSENT_FAST_PER_S,
				    NOTSENT_MAX, NOTSENT_FAST_MAX);
	/* 0: back to the system's own */
	uint32_t lowat = bytes_per_s
				 ? (uint32_t)clamp(bytes_per_s / NOTSENT_PER_S,
						   NOTSENT_MIN, most)
				 : 0;

	if (setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &pace,
		       sizeof(pace)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat,
		       sizeof(lowat)))
		return -errno;
	return 0;
}

void rj_tcp_set_low_water(int fd, uint32_t bytes)
{
	const int low = (int)bytes;

	/* It only saves wake-ups: an error changes nothing else. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low));
}

static bool same_host(const struct sockaddr_storage *a,
		      const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a->ss_family == AF_INET6 &&
	       !memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr));
}

bool rj_tcp_is_local(int fd)
{
	struct sockaddr_storage own, peer;
	socklen_t own_bytes = sizeof(own), peer_bytes = sizeof(peer);

	return !getsockname(fd, (struct sockaddr *)&own, &own_bytes) &&
	       !getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) &&
	       same_host(&own, &peer);
}

void rj_tcp_info(int fd, struct rj_channel_tcp *ret)
{
	struct tcp_info info;
	uint64_t sent;
	socklen_t bytes = sizeof(info);

	*ret = (struct rj_channel_tcp){ 0 };
	memset(&info, 0, sizeof(info)); /* an older kernel fills less */
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes))
		return;
	sent = info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
	*ret = (struct rj_channel_tcp){
		.rtt_us = info.tcpi_rtt,
		.bytes_acked = info.tcpi_bytes_acked,
		.busy_us = info.tcpi_busy_time,
		.rwnd_limited_us = info.tcpi_rwnd_limited,
		.sndbuf_limited_us = info.tcpi_sndbuf_limited,
		.notsent_bytes = info.tcpi_notsent_bytes,
		.retransmits = info.tcpi_retransmits,
	};
	/* acked counts the SYN as well */
	if (sent > info.tcpi_bytes_acked)
		ret->unacked_bytes = (uint32_t)(sent - info.tcpi_bytes_acked);
}
