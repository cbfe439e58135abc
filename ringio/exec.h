/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_EXEC_H
#define RJ_RINGIO_EXEC_H
/* exec: a command at the other end of a pipe, in a process group of its own,
 * holding no descriptor of ours but standard output and error. */
#include "ringio/endpoint.h"

/* Start /bin/sh -c command; we write its standard input, or read its standard
 * output. */
RJ_NODISCARD int rj_exec_start(const char *command, bool writing,
			       struct rj_conn *ret, struct ramjet_error *err);
/* Wait for it and judge how it ended, as rj_conn_finish(). */
RJ_NODISCARD int rj_exec_reap(pid_t child, uint64_t deadline_ns, int wake_fd,
			      struct ramjet_error *err);
#endif
