/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bench/raw/lane.h"
#include "bench/raw/memory.h"

#define PIECES_MAX           1024u
#define RING_ENTRIES         64u
#define OUTSTANDING_MAX      32u
#define REGISTERED_MAX       ((size_t)1 << 30)
#define SEND_ZC_REPORT_USAGE (1U << 3) /* newer than liburing 2.3 */
#define NOTIF_ZC_COPIED      (1U << 31)

struct raw_sender {
	struct io_uring ring;
	size_t buffer_bytes; /* of each registered buffer */
	size_t outstanding;  /* notifications to come */
	struct iovec iov[PIECES_MAX];
	struct msghdr message;
};

static int register_share(struct raw_lane *lane)
{
	const struct raw_config *config = lane->config;
	size_t share = config->bytes / config->channels;
	size_t piece = REGISTERED_MAX / config->payload * config->payload;
	struct iovec buffers[64];
	unsigned count = 0;

	if (share / piece >= 64)
		return -E2BIG;
	for (size_t at = 0; at < share; at += piece) {
		buffers[count++] = (struct iovec){
			(char *)lane->memory + share * lane->index + at,
			share - at < piece ? share - at : piece,
		};
	}
	lane->sender->buffer_bytes = piece;
	return io_uring_register_buffers(&lane->sender->ring, buffers, count);
}

int raw_sender_new(struct raw_lane *lane)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE,
		.cq_entries = 4 * RING_ENTRIES,
	};
	int rc;

	lane->sender = calloc(1, sizeof(*lane->sender));
	if (!lane->sender)
		return -ENOMEM;
	if (lane->config->send == RAW_PLAIN)
		return 0;
	rc = io_uring_queue_init_params(RING_ENTRIES, &lane->sender->ring,
					&params);
	if (rc) {
		free(lane->sender);
		lane->sender = NULL;
		return rc;
	}
	return lane->config->send == RAW_REGISTERED ? register_share(lane) : 0;
}

void raw_sender_free(struct raw_lane *lane)
{
	if (!lane->sender)
		return;
	if (lane->config->send != RAW_PLAIN)
		io_uring_queue_exit(&lane->sender->ring);
	free(lane->sender);
	lane->sender = NULL;
}

static int send_plain(struct raw_lane *lane, size_t n)
{
	struct raw_sender *sender = lane->sender;
	ssize_t sent;

	sender->message = (struct msghdr){ .msg_iov = sender->iov };
	sender->message.msg_iovlen = raw_piece(lane->config, lane->memory,
					       lane->index, n, sender->iov);
	sent = sendmsg(lane->fd, &sender->message, MSG_WAITALL | MSG_NOSIGNAL);
	if (sent < 0)
		return -errno;
	return (size_t)sent == lane->config->payload ? 0 : -EPIPE;
}

/* Take one completion; *ret_sent is set when it is a send's own. */
static int take_one(struct raw_lane *lane, bool *ret_sent)
{
	struct raw_sender *sender = lane->sender;
	struct io_uring_cqe *cqe;
	int rc = io_uring_wait_cqe(&sender->ring, &cqe);

	if (rc == -EINTR)
		return 0;
	if (rc)
		return rc;
	if (cqe->flags & IORING_CQE_F_NOTIF) {
		sender->outstanding--;
		lane->notifications++;
		lane->copied += ((uint32_t)cqe->res & NOTIF_ZC_COPIED) != 0;
	} else {
		*ret_sent = true;
		sender->outstanding += (cqe->flags & IORING_CQE_F_MORE) != 0;
		if (cqe->res < 0)
			rc = cqe->res;
		else if ((size_t)cqe->res != lane->config->payload)
			rc = -EPIPE;
	}
	io_uring_cqe_seen(&sender->ring, cqe);
	return rc;
}

static int wait_sent(struct raw_lane *lane)
{
	bool sent = false;
	int rc = 0;

	while (!rc && !sent)
		rc = take_one(lane, &sent);
	return rc;
}

static int drain(struct raw_lane *lane, size_t outstanding_max)
{
	bool sent = false;
	int rc = 0;

	while (!rc && lane->sender->outstanding > outstanding_max)
		rc = take_one(lane, &sent);
	return rc;
}

/* One in flight: two could overtake each other. */
static int send_zero_copy(struct raw_lane *lane, size_t n)
{
	struct raw_sender *sender = lane->sender;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&sender->ring);
	const int flags = MSG_WAITALL | MSG_NOSIGNAL;
	unsigned count;
	int rc;

	if (!sqe)
		return -EBUSY;
	count = raw_piece(lane->config, lane->memory, lane->index, n,
			  sender->iov);
	sender->message = (struct msghdr){
		.msg_iov = sender->iov,
		.msg_iovlen = count,
	};
	if (lane->config->send == RAW_REGISTERED)
		io_uring_prep_send_zc_fixed(
			sqe, lane->fd, sender->iov->iov_base,
			sender->iov->iov_len, flags, SEND_ZC_REPORT_USAGE,
			(unsigned)(n * lane->config->payload /
				   sender->buffer_bytes));
	else if (count == 1)
		io_uring_prep_send_zc(sqe, lane->fd, sender->iov->iov_base,
				      sender->iov->iov_len, flags,
				      SEND_ZC_REPORT_USAGE);
	else {
		io_uring_prep_sendmsg_zc(sqe, lane->fd, &sender->message,
					 (unsigned)flags);
		sqe->ioprio |= SEND_ZC_REPORT_USAGE;
	}
	rc = io_uring_submit(&sender->ring);
	if (rc < 0)
		return rc;
	rc = wait_sent(lane);
	return rc ? rc : drain(lane, OUTSTANDING_MAX);
}

void *raw_send_run(void *argument)
{
	struct raw_lane *lane = argument;
	size_t count = raw_piece_count(lane->config);

	for (size_t n = 0; n < count && !lane->rc; n++)
		lane->rc = lane->config->send == RAW_PLAIN
				   ? send_plain(lane, n)
				   : send_zero_copy(lane, n);
	if (!lane->rc)
		lane->rc = drain(lane, 0);
	/* Or the other end would wait for the rest. */
	if (lane->rc)
		(void)shutdown(lane->fd, SHUT_RDWR);
	return NULL;
}
