/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sys/socket.h>

#include "bench/raw/lane.h"
#include "bench/raw/memory.h"

#define PIECES_MAX 1024u

/* The naive receiver: one blocking scattered receive a piece. */
void *raw_recv_run(void *argument)
{
	struct raw_lane *lane = argument;
	size_t count = raw_piece_count(lane->config);
	struct iovec iov[PIECES_MAX];

	for (size_t n = 0; n < count && !lane->rc; n++) {
		struct msghdr message = { .msg_iov = iov };
		ssize_t got;

		message.msg_iovlen = raw_piece(lane->config, lane->memory,
					       lane->index, n, iov);
		got = recvmsg(lane->fd, &message, MSG_WAITALL);
		if (got < 0)
			lane->rc = -errno;
		else if ((size_t)got != lane->config->payload)
			lane->rc = -EPIPE;
	}
	return NULL;
}
