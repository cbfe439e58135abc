/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_EXEC_H
#define RJ_RINGIO_EXEC_H
/*
 * exec: a command at the other end of a pipe, in a session of its own, so
 * that it can be killed with all it started, and cannot ask for anything on a
 * terminal: it fails at once instead of being stopped. It holds no descriptor
 * of ours but standard output and error.
 *
 * How it ended is told by a shell that waits for it, over a socket: our
 * process may reap, or ignore, children as it likes.
 */
#include "ringio/endpoint.h"

/* Start /bin/sh -c command; we write its standard input, or read its standard
 * output. */
RJ_NODISCARD int rj_exec_start(const char *command, bool writing,
			       struct rj_conn *ret, struct ramjet_error *err);
/* The process, for messages. */
int rj_exec_pid(const struct rj_command *command);
#endif
