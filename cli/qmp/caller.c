/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qmp/caller.h"

#include <errno.h>
#include <poll.h>
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
#define ANSWER_MS      15000
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

static int receive(struct rj_qmp_caller *c, uint64_t end_ns,
		   struct ramjet_error *err)
{
	uint64_t now_ns = rj_now_ns();
	struct pollfd ready = { .fd = c->fd, .events = POLLIN };
	int ms = now_ns < end_ns ? (int)((end_ns - now_ns) / 1000000 + 1) : 0;
	ssize_t got;
	int rc = make_room(c, err);

	if (rc)
		return rc;
	if (!poll(&ready, 1, ms))
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

static int send_all(struct rj_qmp_caller *c, const char *text,
		    struct ramjet_error *err)
{
	size_t bytes = strlen(text);

	while (bytes) {
		ssize_t sent = send(c->fd, text, bytes, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return rj_fail_errno(err, -errno, "monitor: send");
		text += sent;
		bytes -= (size_t)sent;
	}
	return 0;
}

static int send_command(struct rj_qmp_caller *c, const char *command,
			json_t *arguments, struct ramjet_error *err)
{
	json_t *request = json_pack("{s:s, s:o*}", "execute", command,
				    "arguments", arguments);
	rj_autofree char *text = request ? rj_json_dump(request, 0) : NULL;

	json_decref(request);
	if (!text)
		return rj_fail(err, -ENOMEM, "monitor: out of memory");
	return send_all(c, text, err);
}

/* On rj_now_ns() scale. */
static uint64_t after_ms(int ms)
{
	return rj_now_ns() + (uint64_t)ms * 1000000u;
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

int rj_qmp_caller_call(struct rj_qmp_caller *c, const char *command,
		       json_t *arguments, json_t **ret,
		       struct ramjet_error *err)
{
	const uint64_t end_ns = after_ms(ANSWER_MS);
	int rc = send_command(c, command, arguments, err);
	json_t *message;

	while (!rc) {
		rc = next(c, end_ns, &message, err);
		if (rc)
			break;
		if (!json_object_get(message, "event")) {
			rc = open_reply(message, ret, err);
			json_decref(message);
			return rc;
		}
		rc = keep_event(c, message);
	}
	if (rc == -ETIMEDOUT)
		(void)rj_fail(err, rc, "monitor: no answer within %d s",
			      ANSWER_MS / 1000);
	return rc;
}

int rj_qmp_caller_event(struct rj_qmp_caller *c, int timeout_ms, json_t **ret,
			struct ramjet_error *err)
{
	json_t *message;
	int rc;

	if (json_array_size(c->events)) {
		*ret = json_incref(json_array_get(c->events, 0));
		(void)json_array_remove(c->events, 0);
		return 0;
	}
	rc = next(c, after_ms(timeout_ms), &message, err);
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

int rj_qmp_caller_open(const char *path, struct rj_qmp_caller *ret,
		       struct ramjet_error *err)
{
	struct rj_qmp_caller c = { .fd = rj_qmp_connect(path, err),
				   .events = json_array() };
	json_t *greeting = NULL;
	int rc = c.fd < 0 ? c.fd : 0;

	if (!rc)
		rc = next(&c, after_ms(ANSWER_MS), &greeting, err);
	if (!rc && !json_object_get(greeting, "QMP"))
		rc = rj_fail(err, -EPROTO, "monitor %s: no QMP greeting: %s",
			     path,
			     "somebody else listens there, or it is full");
	json_decref(greeting);
	if (!rc)
		rc = rj_qmp_caller_call(&c, "qmp_capabilities", NULL, NULL,
					err);
	if (rc) {
		rj_qmp_caller_close(&c);
		return rj_fail(err, rc, "monitor %s: no answer", path);
	}
	*ret = c;
	return 0;
}
