/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qmp/client.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/qmp/message.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define READ_BYTES  16384u
#define FDS_AT_ONCE 4u
/* How long a client gets to read why it is disconnected. */
#define LEAVE_NS UINT64_C(1000000000)

static void hang_up(struct rj_qmp_client *c)
{
	rj_close_fd(&c->fd);
}

static void leave(struct rj_qmp_client *c)
{
	if (!c->leaves_ns)
		c->leaves_ns = rj_now_ns() + LEAVE_NS;
}

static int queue(struct rj_qmp_client *c, const char *line)
{
	size_t bytes = strlen(line);
	int rc = rj_qmp_outbox_add(&c->outbox, line, bytes);

	if (rc != -ENOBUFS)
		return rc;
	/* Send what the client takes first: only what is then left counts. */
	rc = rj_qmp_outbox_flush(&c->outbox, c->fd);
	return rc ? rc : rj_qmp_outbox_add(&c->outbox, line, bytes);
}

void rj_qmp_client_say(struct rj_qmp_client *c, const char *line)
{
	/* Without memory for replies, disconnect the client. */
	if (c->fd >= 0 && (!line || queue(c, line)))
		hang_up(c);
}

static void say(struct rj_qmp_client *c, json_t *message)
{
	rj_autofree char *line = rj_qmp_line(message);

	rj_qmp_client_say(c, line);
}

struct rj_qmp_client *rj_qmp_client_new(int fd)
{
	struct rj_qmp_client *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)close(fd);
		return NULL;
	}
	c->fd = fd;
	c->peer.fd = -1;
	rj_qmp_splitter_init(&c->splitter);
	say(c, rj_qmp_greeting());
	return c;
}

void rj_qmp_client_free(struct rj_qmp_client *c)
{
	rj_close_fd(&c->fd);
	rj_close_fd(&c->peer.fd);
	rj_qmp_outbox_done(&c->outbox);
	free(c);
}

short rj_qmp_client_events(const struct rj_qmp_client *c)
{
	return (short)((c->leaves_ns ? 0 : POLLIN) |
		       (rj_qmp_outbox_is_empty(&c->outbox) ? 0 : POLLOUT));
}

/* Only the newest one is kept: `getfd` comes with its own. */
static void keep_fds(struct rj_qmp_client *c, const struct cmsghdr *part)
{
	size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		rj_close_fd(&c->peer.fd);
		memcpy(&c->peer.fd, CMSG_DATA(part) + i * sizeof(int),
		       sizeof(int));
	}
}

static ssize_t receive(struct rj_qmp_client *c, char *bytes, size_t count)
{
	union {
		char bytes[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = bytes, .iov_len = count };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(c->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int error = errno;

	for (struct cmsghdr *part = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
	     part; part = CMSG_NXTHDR(&message, part))
		if (part->cmsg_level == SOL_SOCKET &&
		    part->cmsg_type == SCM_RIGHTS)
			keep_fds(c, part);
	return got < 0 ? -error : got;
}

static void take_piece(struct rj_qmp_client *c, enum rj_qmp_piece piece,
		       const struct rj_qmp_commands *commands)
{
	if (piece == RJ_QMP_VALUE)
		say(c, rj_qmp_dispatch(commands, &c->peer, c->splitter.text,
				       c->splitter.used));
	if (piece == RJ_QMP_BROKEN)
		say(c, rj_qmp_error(RJ_QMP_GENERIC_ERROR,
				    "JSON parse error, a byte that can't be "
				    "part of JSON",
				    NULL));
	if (piece == RJ_QMP_TOO_LONG) {
		say(c, rj_qmp_error(RJ_QMP_GENERIC_ERROR,
				    "a command has more than 64 KiB, "
				    "disconnecting",
				    NULL));
		leave(c);
	}
}

static_assert(RJ_QMP_VALUE_BYTES_MAX == 64 * 1024, "the message says so");

static void take(struct rj_qmp_client *c, const char *bytes, size_t count,
		 const struct rj_qmp_commands *commands)
{
	size_t at = 0, taken;

	while (at < count && c->fd >= 0 && !c->leaves_ns) {
		enum rj_qmp_piece piece = rj_qmp_splitter_take(
			&c->splitter, bytes + at, count - at, &taken);

		take_piece(c, piece, commands);
		at += taken;
	}
}

void rj_qmp_client_read(struct rj_qmp_client *c,
			const struct rj_qmp_commands *commands)
{
	char bytes[READ_BYTES];
	ssize_t got;

	if (c->fd < 0 || c->leaves_ns)
		return;
	got = receive(c, bytes, sizeof(bytes));
	if (got > 0)
		take(c, bytes, (size_t)got, commands);
	else if (!got)
		leave(c); /* it may still listen to the last replies */
	else if (got != -EAGAIN && got != -EINTR)
		hang_up(c);
}

void rj_qmp_client_write(struct rj_qmp_client *c)
{
	if (c->fd < 0)
		return;
	if (rj_qmp_outbox_flush(&c->outbox, c->fd))
		hang_up(c);
	if (c->leaves_ns &&
	    (rj_qmp_outbox_is_empty(&c->outbox) || rj_now_ns() >= c->leaves_ns))
		hang_up(c);
}
