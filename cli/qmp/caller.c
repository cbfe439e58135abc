/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qmp/caller.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/base/json_text.h"
#include "cli/qmp/listen.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

#define ROOM_FIRST 4096u
/* Longest line from a server; a report of a thousand rounds has a tenth of
 * that. */
#define LINE_BYTES_MAX (4u << 20)
/* Events that are kept until they are asked for. */
#define EVENTS_MAX 64u

void rj_qmp_caller_close(struct rj_qmp_caller *c)
{
	rj_close_fd(&c->fd);
	free(c->text);
	json_decref(c->events);
	*c = RJ_QMP_CALLER_NONE;
}

static int make_room(struct rj_qmp_caller *c, struct ramjet_error *err)
{
	size_t room = c->room ? c->room * 2 : ROOM_FIRST;
	char *text;

	if (c->used < c->room)
		return 0;
	text = room > LINE_BYTES_MAX ? NULL : realloc(c->text, room);
	if (!text)
		return rj_fail(err, -EMSGSIZE,
			       "monitor: an answer of more than %zu bytes",
			       c->used);
	c->text = text;
	c->room = room;
	return 0;
}

/* On rj_now_ns() scale. */
static uint64_t after_ms(int ms)
{
	return rj_now_ns() + (uint64_t)(ms > 0 ? ms : 0) * 1000000u;
}

static int ms_until(uint64_t end_ns)
{
	uint64_t now_ns = rj_now_ns();

	return now_ns < end_ns ? (int)((end_ns - now_ns) / 1000000 + 1) : 0;
}

static int receive(struct rj_qmp_caller *c, uint64_t end_ns,
		   struct ramjet_error *err)
{
	struct pollfd ready = { .fd = c->fd, .events = POLLIN };
	ssize_t got;
	int rc = make_room(c, err);

	if (rc)
		return rc;
	if (!poll(&ready, 1, ms_until(end_ns)))
		return -ETIMEDOUT;
	got = recv(c->fd, c->text + c->used, c->room - c->used, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0)
		return rj_fail(err, -EPIPE,
			       "monitor: the connection has been closed");
	c->used += (size_t)got;
	return 0;
}

/* What the server says next; each line is one object. */
static int next(struct rj_qmp_caller *c, uint64_t end_ns, json_t **ret,
		struct ramjet_error *err)
{
	json_t *message;
	size_t bytes;
	char *end;
	int rc;

	while (!(end = c->used ? memchr(c->text, '\n', c->used) : NULL)) {
		rc = receive(c, end_ns, err);
		if (rc)
			return rc;
	}
	bytes = (size_t)(end + 1 - c->text);
	message = json_loadb(c->text, bytes, 0, NULL);
	c->used -= bytes;
	memmove(c->text, end + 1, c->used);
	if (!json_is_object(message)) {
		json_decref(message);
		return rj_fail(err, -EPROTO,
			       "monitor: it does not speak QMP, wanted JSON "
			       "objects");
	}
	*ret = message;
	return 0;
}

/* Wait until the socket takes more. */
static int wait_to_send(const struct rj_qmp_caller *c, uint64_t end_ns)
{
	struct pollfd ready = { .fd = c->fd, .events = POLLOUT };

	return poll(&ready, 1, ms_until(end_ns)) ? 0 : -ETIMEDOUT;
}

/* Some of the text; `fd` goes with its first byte. */
static ssize_t send_some(const struct rj_qmp_caller *c, char *text,
			 size_t bytes, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(fd))];
		struct cmsghdr header;
	} control = { .header = {
			      .cmsg_len = CMSG_LEN(sizeof(fd)),
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS,
		      } };
	struct iovec iov = { .iov_base = text, .iov_len = bytes };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	return sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int send_all(struct rj_qmp_caller *c, char *text, int fd,
		    uint64_t end_ns, struct ramjet_error *err)
{
	const size_t all = strlen(text);
	size_t bytes = all;
	int rc = 0;

	while (bytes && !rc) {
		ssize_t sent = send_some(c, text, bytes, fd);

		if (sent > 0) {
			text += sent;
			bytes -= (size_t)sent;
			fd = -1;
		} else if (errno == EAGAIN) {
			rc = wait_to_send(c, end_ns);
		} else if (errno == EPIPE || errno == ECONNRESET) {
			rc = rj_fail(err, -EPIPE,
				     "monitor: the connection has been closed");
		} else if (errno != EINTR) {
			rc = rj_fail_errno(err, -errno, "monitor: send");
		}
	}
	/* Half a command is left there: the next one would be its other half. */
	if (rc && bytes < all)
		rj_close_fd(&c->fd);
	return rc;
}

static int send_command(struct rj_qmp_caller *c, const char *command,
			json_t *arguments, int fd, uint64_t end_ns,
			struct ramjet_error *err)
{
	json_t *request = json_pack("{s:s, s:I, s:o*}", "execute", command,
				    "id", ++c->id, "arguments", arguments);
	rj_autofree char *text = request ? rj_json_dump(request, 0) : NULL;

	json_decref(request);
	if (!text)
		return rj_fail(err, -ENOMEM, "monitor: out of memory");
	return send_all(c, text, fd, end_ns, err);
}

static int open_reply(json_t *reply, json_t **ret, struct ramjet_error *err)
{
	const json_t *error = json_object_get(reply, "error");
	const char *text = json_string_value(json_object_get(error, "desc"));

	if (error)
		return rj_fail(err, -EREMOTEIO, "%s",
			       text ? text : "the monitor refuses");
	if (!json_object_get(reply, "return"))
		return rj_fail(err, -EPROTO,
			       "monitor: an answer with neither return nor "
			       "error");
	if (ret)
		*ret = json_incref(json_object_get(reply, "return"));
	return 0;
}

/* Drop the oldest: after an event the newest state is looked at. */
static int keep_event(struct rj_qmp_caller *c, json_t *event)
{
	if (json_array_size(c->events) >= EVENTS_MAX)
		(void)json_array_remove(c->events, 0);
	return json_array_append_new(c->events, event) ? -ENOMEM : 0;
}

/* An answer to a command that was given up, not to the one asked now. */
static bool is_late(const struct rj_qmp_caller *c, const json_t *message)
{
	const json_t *id = json_object_get(message, "id");

	return id && json_integer_value(id) != c->id;
}

static int await_reply(struct rj_qmp_caller *c, uint64_t end_ns, json_t **ret,
		       struct ramjet_error *err)
{
	json_t *message;
	int rc;

	while (!(rc = next(c, end_ns, &message, err))) {
		if (json_object_get(message, "event")) {
			rc = keep_event(c, message);
			if (rc)
				return rc;
			continue;
		}
		if (is_late(c, message)) {
			json_decref(message);
			continue;
		}
		rc = open_reply(message, ret, err);
		json_decref(message);
		return rc;
	}
	return rc;
}

int rj_qmp_caller_call_within(struct rj_qmp_caller *c, const char *command,
			      json_t *arguments, int fd, int timeout_ms,
			      json_t **ret, struct ramjet_error *err)
{
	const uint64_t end_ns = after_ms(timeout_ms);
	int rc;

	if (c->fd < 0) {
		json_decref(arguments);
		return rj_fail(err, -EPIPE,
			       "monitor: the connection has been closed");
	}
	rc = send_command(c, command, arguments, fd, end_ns, err);
	if (!rc)
		rc = await_reply(c, end_ns, ret, err);
	if (rc == -ETIMEDOUT)
		(void)rj_fail(err, rc, "monitor: no answer within %g s",
			      timeout_ms / 1000.0);
	return rc;
}

int rj_qmp_caller_call(struct rj_qmp_caller *c, const char *command,
		       json_t *arguments, json_t **ret,
		       struct ramjet_error *err)
{
	return rj_qmp_caller_call_within(c, command, arguments, -1,
					 RJ_QMP_ANSWER_MS, ret, err);
}

/* Out of those that were kept. NULL: there is none. */
static json_t *take_kept(struct rj_qmp_caller *c)
{
	json_t *event = json_array_get(c->events, 0);

	json_incref(event);
	if (event)
		(void)json_array_remove(c->events, 0);
	return event;
}

static int next_event(struct rj_qmp_caller *c, uint64_t end_ns, json_t **ret,
		      struct ramjet_error *err)
{
	json_t *message = take_kept(c);
	int rc = message ? 0 : next(c, end_ns, &message, err);

	/* Whatever was asked last has been answered or given up. */
	while (!rc && !json_object_get(message, "event") &&
	       json_object_get(message, "id")) {
		json_decref(message);
		rc = next(c, end_ns, &message, err);
	}
	if (rc)
		return rc;
	if (!json_object_get(message, "event")) {
		json_decref(message);
		return rj_fail(err, -EPROTO,
			       "monitor: an answer that was not asked for");
	}
	*ret = message;
	return 0;
}

int rj_qmp_caller_event(struct rj_qmp_caller *c, int timeout_ms, json_t **ret,
			struct ramjet_error *err)
{
	return next_event(c, after_ms(timeout_ms), ret, err);
}

int rj_qmp_caller_await(struct rj_qmp_caller *c, const char *name,
			int timeout_ms, json_t **ret, struct ramjet_error *err)
{
	const uint64_t end_ns = after_ms(timeout_ms);
	json_t *event;
	int rc;

	while (!(rc = next_event(c, end_ns, &event, err))) {
		const char *its =
			json_string_value(json_object_get(event, "event"));

		if (its && !strcmp(its, name)) {
			*ret = event;
			return 0;
		}
		json_decref(event);
	}
	return rc;
}

bool rj_qmp_caller_has_heard(const struct rj_qmp_caller *c, const char *name)
{
	json_t *event;
	size_t i;

	json_array_foreach(c->events, i, event)
	{
		const char *its =
			json_string_value(json_object_get(event, "event"));

		if (its && !strcmp(its, name))
			return true;
	}
	return false;
}

bool rj_qmp_caller_has_more(const struct rj_qmp_caller *c)
{
	return c->used || json_array_size(c->events);
}

void rj_qmp_caller_forget_events(struct rj_qmp_caller *c)
{
	(void)json_array_clear(c->events);
}

int rj_qmp_caller_peer(const struct rj_qmp_caller *c, pid_t *ret,
		       struct ramjet_error *err)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes))
		return rj_fail_errno(err, -errno,
				     "monitor: the process at the other end");
	*ret = peer.pid;
	return 0;
}

static int hear_greeting(struct rj_qmp_caller *c, int greeting_ms,
			 struct ramjet_error *err)
{
	json_t *greeting;
	int rc = next(c, after_ms(greeting_ms), &greeting, err);

	if (rc == -ETIMEDOUT)
		return rj_fail(err, -EBUSY,
			       "no greeting within %g s, wanted one: another "
			       "client may be connected, and a QEMU's monitor "
			       "serves one at a time",
			       greeting_ms / 1000.0);
	if (rc)
		return rc;
	if (!json_object_get(greeting, "QMP"))
		rc = rj_fail(err, -EPROTO,
			     "no QMP greeting: somebody else listens there, "
			     "or it is full");
	json_decref(greeting);
	return rc;
}

int rj_qmp_caller_open_within(const char *path, int greeting_ms,
			      struct rj_qmp_caller *ret,
			      struct ramjet_error *err)
{
	struct rj_qmp_caller c = { .fd = rj_qmp_connect(path, err),
				   .events = json_array() };
	int rc = c.fd < 0 ? c.fd : 0;

	if (!rc) {
		rc = hear_greeting(&c, greeting_ms, err);
		if (!rc)
			rc = rj_qmp_caller_call(&c, "qmp_capabilities", NULL,
						NULL, err);
		if (rc)
			rj_error_prefix(err, "monitor %s", path);
	}
	if (rc) {
		rj_qmp_caller_close(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

int rj_qmp_caller_open(const char *path, struct rj_qmp_caller *ret,
		       struct ramjet_error *err)
{
	return rj_qmp_caller_open_within(path, RJ_QMP_ANSWER_MS, ret, err);
}
