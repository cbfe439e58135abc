/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/tcp.h"

#include <errno.h>
/* The kernel's header: the C library's tcp_info ends too early. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "ringio/channel.h"

#define KEEPALIVE_IDLE_S     10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES     3
#define USER_TIMEOUT_MS      30000

/* Unsent bytes the socket holds under a cap: 50 ms worth, within these. */
#define NOTSENT_PER_S 20u
#define NOTSENT_MIN   (16u << 10)
#define NOTSENT_MAX   (256u << 10)

int rj_tcp_tune(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS },
	};

	for (size_t i = 0; i < RJ_ARRAY_SIZE(options); i++)
		if (setsockopt(fd, options[i].level, options[i].name,
			       &options[i].value, sizeof(options[i].value)))
			return -errno;
	return 0;
}

/*
 * The pace is kept by the kernel. Without the low-water mark the socket would
 * take megabytes ahead of it: stale pages in the way of newer ones.
 */
int rj_tcp_set_rate(int fd, uint64_t bytes_per_s)
{
	uint64_t pace = bytes_per_s ? bytes_per_s : UINT64_MAX;
	uint64_t share = bytes_per_s / NOTSENT_PER_S;
	uint32_t lowat = 0; /* 0: back to the system's own */

	if (bytes_per_s)
		lowat = share < NOTSENT_MIN   ? NOTSENT_MIN
			: share > NOTSENT_MAX ? NOTSENT_MAX
					      : (uint32_t)share;
	if (setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &pace,
		       sizeof(pace)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat,
		       sizeof(lowat)))
		return -errno;
	return 0;
}

void rj_tcp_info(int fd, struct rj_channel_tcp *ret)
{
	struct tcp_info info;
	socklen_t bytes = sizeof(info);

	*ret = (struct rj_channel_tcp){ 0 };
	memset(&info, 0, sizeof(info)); /* an older kernel fills less */
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes))
		return;
	*ret = (struct rj_channel_tcp){
		.rtt_us = info.tcpi_rtt,
		.bytes_acked = info.tcpi_bytes_acked,
		.busy_us = info.tcpi_busy_time,
		.rwnd_limited_us = info.tcpi_rwnd_limited,
		.sndbuf_limited_us = info.tcpi_sndbuf_limited,
		.notsent_bytes = info.tcpi_notsent_bytes,
		.unacked_bytes = info.tcpi_unacked * info.tcpi_snd_mss,
	};
}
