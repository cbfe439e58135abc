/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/own_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

#define ROOM_FIRST (512u << 10) /* more than a state usually has */
/* Of all of it. Chosen: as long as an answer of QEMU's may take. */
#define STREAM_MS RJ_QMP_ANSWER_MS
/* Events wake us; this often it is looked at without one. Chosen. */
#define LOOK_MS 100

int rj_qemu_own_stream_give(struct rj_qemu *q, int *ret_fd,
			    struct ramjet_error *err)
{
	int ends[2];
	int rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return rj_fail_errno(err, -errno, "device state: socketpair");
	rc = rj_qemu_call_within(
		q, "getfd", json_pack("{s:s}", "fdname", RJ_QEMU_OWN_STREAM),
		ends[1], 0, NULL, err);
	(void)close(ends[1]);
	if (rc)
		(void)close(ends[0]);
	else
		*ret_fd = ends[0];
	return rc;
}

static int make_room(struct rj_qemu_state *state, size_t *room,
		     struct ramjet_error *err)
{
	const size_t more = *room ? *room * 2 : ROOM_FIRST;
	unsigned char *bytes;

	if (state->count < *room)
		return 0;
	if (*room >= RJ_QEMU_STATE_BYTES_MAX)
		return rj_fail(err, -EMSGSIZE,
			       "device state: QEMU's own stream has more than "
			       "%u bytes: memory that it doesn't take for "
			       "shared",
			       RJ_QEMU_STATE_BYTES_MAX);
	bytes = realloc(state->bytes, more);
	if (!bytes)
		return rj_fail(err, -ENOMEM, "device state: out of memory");
	state->bytes = bytes;
	*room = more;
	return 0;
}

/* 1: there was an end. */
static int read_some(int fd, struct rj_qemu_state *state, size_t *room,
		     struct ramjet_error *err)
{
	ssize_t got;
	int rc = make_room(state, room, err);

	if (rc)
		return rc;
	got = recv(fd, state->bytes + state->count, *room - state->count,
		   MSG_DONTWAIT);
	if (got > 0)
		state->count += (size_t)got;
	else if (!got)
		return 1;
	else if (errno != EAGAIN && errno != EINTR)
		return rj_fail_errno(err, -errno, "device state: recv");
	return 0;
}

static int read_all(const struct rj_qemu *q, int fd,
		    struct rj_qemu_state *state, uint64_t end_ns,
		    struct ramjet_error *err)
{
	size_t room = 0;
	int rc;

	while (!(rc = read_some(fd, state, &room, err))) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		const uint64_t now_ns = rj_now_ns();

		if (now_ns >= end_ns)
			return rj_fail(err, -ETIMEDOUT,
				       "qemu %s: migrate: not all of its "
				       "devices' state within %d ms",
				       q->path, STREAM_MS);
		(void)poll(&ready, 1, LOOK_MS);
	}
	return rc < 0 ? rc : 0;
}

/* 0: it has completed. -EAGAIN: not yet. */
static int look(struct rj_qemu *q, struct ramjet_error *err)
{
	json_t *answer = NULL;
	const char *status, *why;
	int rc = rj_qemu_call(q, "query-migrate", NULL, &answer, err);

	status = json_string_value(json_object_get(answer, "status"));
	why = json_string_value(json_object_get(answer, "error-desc"));
	if (!rc && (!status || (strcmp(status, "completed") != 0 &&
				strcmp(status, "failed") != 0)))
		rc = -EAGAIN;
	else if (!rc && !strcmp(status, "failed"))
		rc = rj_fail(err, -EREMOTEIO, "qemu %s: migrate: %s", q->path,
			     why ? why : "it doesn't say why");
	json_decref(answer);
	return rc;
}

static int await_end(struct rj_qemu *q, uint64_t end_ns,
		     struct ramjet_error *err)
{
	int rc;

	while ((rc = look(q, err)) == -EAGAIN) {
		struct pollfd ready = { .fd = q->monitor.fd, .events = POLLIN };

		if (rj_now_ns() >= end_ns)
			return rj_fail(err, -ETIMEDOUT,
				       "qemu %s: migrate: doesn't end within "
				       "%d ms",
				       q->path, STREAM_MS);
		/* Events stay: of some more must be known later. */
		(void)poll(&ready, 1,
			   rj_qmp_caller_has_more(&q->monitor) ? 1 : LOOK_MS);
	}
	return rc;
}

int rj_qemu_own_stream_take(struct rj_qemu *q, int *fd,
			    struct rj_qemu_state *ret, struct ramjet_error *err)
{
	const uint64_t end_ns = rj_now_ns() + STREAM_MS * UINT64_C(1000000);
	struct rj_qemu_state state = { 0 };
	int rc = rj_qemu_call(
		q, "migrate",
		json_pack("{s:s}", "uri", "fd:" RJ_QEMU_OWN_STREAM), NULL, err);

	if (rc)
		return rc;
	rc = read_all(q, *fd, &state, end_ns, err);
	rj_close_fd(fd);
	/* It fails at once where its socket is closed: no cancel is needed. */
	if (!rc)
		rc = await_end(q, end_ns, err);
	if (!rc)
		rc = rj_qemu_state_check(state.bytes, state.count, q->machine,
					 err);
	if (rc)
		rj_qemu_state_done(&state);
	else
		*ret = state;
	return rc;
}
