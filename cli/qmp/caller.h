/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QMP_CALLER_H
#define RJ_CLI_QMP_CALLER_H
/* A plain QMP client, one command at a time. One thread. */
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

/* How long an answer may take where the caller doesn't say. */
#define RJ_QMP_ANSWER_MS 15000

struct rj_qmp_caller {
	int fd; /* -1: none */
	char *text;
	size_t used;
	size_t room;
	json_t *events; /* an array: came while a reply was awaited */
	json_int_t id;  /* of the last command: other replies are late ones */
};
#define RJ_QMP_CALLER_NONE ((struct rj_qmp_caller){ .fd = -1 })

/* Connect to `path`, hear the greeting, negotiate. */
RJ_NODISCARD int rj_qmp_caller_open(const char *path, struct rj_qmp_caller *ret,
				    struct ramjet_error *err);
/*
 * As above, with `greeting_ms` to be greeted in. -EBUSY where nobody greets: a
 * QEMU's monitor serves one client, lets two more connect, says nothing to
 * them, and refuses others.
 */
RJ_NODISCARD int rj_qmp_caller_open_within(const char *path, int greeting_ms,
					   struct rj_qmp_caller *ret,
					   struct ramjet_error *err);
void rj_qmp_caller_close(struct rj_qmp_caller *caller);
/*
 * `arguments` is *taken*; NULL: none. *ret (NULL ok) is *returned*. -EREMOTEIO
 * when the monitor refuses, with its text; -EPIPE when it has gone; -ETIMEDOUT
 * when it is silent for too long: it may still carry the command out, and its
 * late reply is dropped by the next call. One that has taken but half of the
 * command by then is hung up on.
 */
RJ_NODISCARD int rj_qmp_caller_call(struct rj_qmp_caller *caller,
				    const char *command, json_t *arguments,
				    json_t **ret, struct ramjet_error *err);
/* As above, with `timeout_ms` for the answer, and with a descriptor (-1: none)
 * that goes along: `fd` is borrowed, the other side gets a duplicate. */
RJ_NODISCARD int rj_qmp_caller_call_within(struct rj_qmp_caller *caller,
					   const char *command,
					   json_t *arguments, int fd,
					   int timeout_ms, json_t **ret,
					   struct ramjet_error *err);
/* The next event, *returned*; -ETIMEDOUT, without a message. */
RJ_NODISCARD int rj_qmp_caller_event(struct rj_qmp_caller *caller,
				     int timeout_ms, json_t **ret,
				     struct ramjet_error *err);
/* The next event of that name, *returned*; others before it are dropped.
 * -ETIMEDOUT, without a message. */
RJ_NODISCARD int rj_qmp_caller_await(struct rj_qmp_caller *caller,
				     const char *name, int timeout_ms,
				     json_t **ret, struct ramjet_error *err);
/* Of the events that came with the replies so far, and were not asked for: has one
 * this name? They are kept. */
bool rj_qmp_caller_has_heard(const struct rj_qmp_caller *caller,
			     const char *name);
/* Events are kept, or something was read beyond the last answer: poll() of `fd`
 * doesn't tell. */
bool rj_qmp_caller_has_more(const struct rj_qmp_caller *caller);
void rj_qmp_caller_forget_events(struct rj_qmp_caller *caller);
/* Who made the socket listen: its PID as seen from here, 0 from another
 * namespace. */
RJ_NODISCARD int rj_qmp_caller_peer(const struct rj_qmp_caller *caller,
				    pid_t *ret, struct ramjet_error *err);
#endif
