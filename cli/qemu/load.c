/* SPDX-License-Identifier: BSD-3-Clause */
/* The target's half of state.h. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/qemu/state.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

#define NAME "ramjet-device-state"
/* Events wake us; this often it is looked at without one, for a QEMU whose
 * events another client has switched off. Chosen. */
#define LOOK_MS 100

/* Sockets rather than a pipe: writing to a QEMU that has ended is no signal. */
static int make_sockets(int ret[2], struct ramjet_error *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret))
		return rj_fail_errno(err, -errno, "device state: socketpair");
	return 0;
}

/* Elsewhere `stop` would stop somebody's guest. */
static int stay_stopped(struct rj_qemu *q, struct ramjet_error *err)
{
	struct rj_qemu_status now;
	int rc = rj_qemu_status(q, &now, err);

	if (rc)
		return rc;
	if (now.run != RJ_QEMU_INCOMING)
		return rj_fail(err, -EINVAL,
			       "qemu %s: is '%s', wanted a QEMU started with "
			       "-S -incoming defer",
			       q->path, now.text);
	return rj_qemu_stop(q, NULL, err);
}

static int give_socket(struct rj_qemu *q, int fd, struct ramjet_error *err)
{
	int rc = stay_stopped(q, err);

	return rc ? rc
		  : rj_qemu_call_within(q, "getfd",
					json_pack("{s:s}", "fdname", NAME), fd,
					0, NULL, err);
}

int rj_qemu_loader_prepare(struct rj_qemu *q, struct rj_qemu_loader *ret,
			   struct ramjet_error *err)
{
	int fds[2] = { -1, -1 };
	/* The saved state says "running", so a QEMU that was started without
	 * -S would run as soon as it is loaded, while the source still may go
	 * on. `stop` of one that waits for state is what -S is. */
	int rc = rj_qemu_stop(q, NULL, err);

	if (!rc)
		rc = make_sockets(fds, err);
	if (!rc)
		rc = give_socket(q, fds[0], err);
	rj_close_fd(&fds[0]);
	if (rc) {
		rj_close_fd(&fds[1]);
		return rc;
	}
	*ret = (struct rj_qemu_loader){ .fd = fds[1], .named = true };
	rj_qemu_words_listen(q->pid, &ret->words);
	return 0;
}

static int migrate_incoming(struct rj_qemu *q, struct rj_qemu_loader *loader,
			    struct ramjet_error *err)
{
	json_t *arguments = json_pack("{s:s}", "uri", "fd:" NAME);
	int rc;

	if (rj_qemu_is_from(q, 9, 1))
		(void)json_object_set_new(arguments, "exit-on-error",
					  json_false());
	rc = rj_qemu_call(q, "migrate-incoming", arguments, NULL, err);
	/* QEMU has taken it out of its list of names. */
	if (!rc)
		loader->named = false;
	return rc;
}

int rj_qemu_loader_begin(struct rj_qemu *q, struct rj_qemu_loader *loader,
			 struct ramjet_error *err)
{
	rj_autofree unsigned char *front = NULL;
	size_t bytes;
	ssize_t put;
	int rc;

	if (loader->given || loader->fd < 0)
		return 0;
	bytes = rj_qemu_state_front(q->machine, NULL);
	front = malloc(bytes);
	if (!front)
		return rj_fail(err, -ENOMEM, "device state: out of memory");
	(void)rj_qemu_state_front(q->machine, front);
	rc = migrate_incoming(q, loader, err);
	if (rc)
		return rc;
	/* A fresh socket has room for it. */
	put = send(loader->fd, front, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (put < 0)
		return rj_fail_errno(err, -errno, "device state: send");
	loader->given = (size_t)put;
	return 0;
}

/* As much as fits. Once all is written, QEMU sees the end. A QEMU that closed
 * its end says why in another place. */
static void feed(struct rj_qemu_loader *loader,
		 const struct rj_qemu_state *state)
{
	while (loader->fd >= 0 && loader->given < state->count) {
		ssize_t put = send(loader->fd, state->bytes + loader->given,
				   state->count - loader->given,
				   MSG_NOSIGNAL | MSG_DONTWAIT);

		if (put > 0)
			loader->given += (size_t)put;
		else if (put < 0 && errno == EAGAIN)
			return;
		else if (put < 0 && errno != EINTR)
			break;
	}
	rj_close_fd(&loader->fd);
}

/* QEMU says something, or takes more. What it said while it was asked is in our
 * hands already, and wakes nobody. */
static void wait_for(struct rj_qemu *q, const struct rj_qemu_loader *loader,
		     uint64_t end_ns)
{
	struct pollfd fds[2] = {
		{ .fd = q->monitor.fd, .events = POLLIN },
		{ .fd = loader->fd, .events = POLLOUT },
	};
	uint64_t now_ns = rj_now_ns();
	uint64_t ms = now_ns < end_ns ? (end_ns - now_ns) / 1000000 + 1 : 0;

	if (rj_qmp_caller_has_more(&q->monitor))
		return;
	(void)poll(fds, 2, ms < LOOK_MS ? (int)ms : LOOK_MS);
}

/* 0: loaded. -EAGAIN: not yet. */
static int judge(struct rj_qemu *q, const json_t *migration,
		 struct ramjet_error *err)
{
	const char *status =
		json_string_value(json_object_get(migration, "status"));
	const char *why =
		json_string_value(json_object_get(migration, "error-desc"));
	struct rj_qemu_status now;
	int rc;

	if (!status ||
	    (strcmp(status, "completed") && strcmp(status, "failed")))
		return -EAGAIN;
	if (!strcmp(status, "failed"))
		return rj_fail(err, -EREMOTEIO, "%s",
			       why ? why : "it doesn't say why");
	rc = rj_qemu_status(q, &now, err);
	if (rc || now.run == RJ_QEMU_PAUSED)
		return rc;
	return rj_fail(err, -EPROTO,
		       "qemu %s: loaded, and is '%s' now, wanted 'paused'",
		       q->path, now.text);
}

static int look(struct rj_qemu *q, struct ramjet_error *err)
{
	json_t *migration = NULL;
	int rc = rj_qemu_call(q, "query-migrate", NULL, &migration, err);

	if (!rc)
		rc = judge(q, migration, err);
	json_decref(migration);
	return rc;
}

static int await_outcome(struct rj_qemu *q, struct rj_qemu_loader *loader,
			 const struct rj_qemu_state *state, int timeout_ms,
			 struct ramjet_error *err)
{
	const uint64_t end_ns = rj_now_ns() + (uint64_t)timeout_ms * 1000000u;
	int rc;

	for (;;) {
		feed(loader, state);
		rj_qmp_caller_forget_events(&q->monitor);
		rc = look(q, err);
		if (rc != -EAGAIN)
			return rc;
		if (rj_now_ns() >= end_ns)
			return rj_fail(err, -ETIMEDOUT,
				       "qemu %s: hasn't loaded the device "
				       "state within %d ms",
				       q->path, timeout_ms);
		wait_for(q, loader, end_ns);
	}
}

/* Of a QEMU that stays, error-desc is but the last of its words. */
static int refused(const struct rj_qemu *q, const struct rj_qemu_loader *loader,
		   const char *otherwise, struct ramjet_error *err)
{
	char words[256];

	rj_qemu_words_take(&loader->words, words, sizeof(words));
	return rj_fail(err, -EREMOTEIO, "qemu %s: refuses the device state: %s",
		       q->path, *words ? words : otherwise);
}

int rj_qemu_loader_load(struct rj_qemu *q, struct rj_qemu_loader *loader,
			const struct rj_qemu_state *state, int timeout_ms,
			struct ramjet_error *err)
{
	struct ramjet_error why = { 0 };
	int rc = rj_qemu_state_check(state->bytes, state->count, q->machine,
				     err);

	if (rc)
		return rc;
	rc = rj_qemu_loader_begin(q, loader, err);
	if (rc)
		return rc;
	rc = await_outcome(q, loader, state, timeout_ms, &why);
	rj_close_fd(&loader->fd);
	if (rc == -EPIPE)
		return refused(q, loader,
			       "it has ended, its standard error says why",
			       err);
	if (rc == -EREMOTEIO)
		return refused(q, loader, why.message, err);
	return rc ? rj_fail(err, rc, "%s", why.message) : 0;
}

void rj_qemu_loader_done(struct rj_qemu *q, struct rj_qemu_loader *loader)
{
	if (loader->named)
		rj_qemu_tell(q, "closefd", json_pack("{s:s}", "fdname", NAME));
	rj_close_fd(&loader->fd);
	rj_qemu_words_done(&loader->words);
	*loader = RJ_QEMU_LOADER_NONE;
}
