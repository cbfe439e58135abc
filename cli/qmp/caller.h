/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QMP_CALLER_H
#define RJ_CLI_QMP_CALLER_H
/* A plain QMP client, one command at a time. One thread. */
#include <jansson.h>

#include "ramjet.h"
#include "util/compiler.h"

struct rj_qmp_caller {
	int fd; /* -1: none */
	char *text;
	size_t used;
	size_t room;
	json_t *events; /* an array: came while a reply was awaited */
};
#define RJ_QMP_CALLER_NONE ((struct rj_qmp_caller){ .fd = -1 })

/* Connect to `path`, hear the greeting, negotiate. */
RJ_NODISCARD int rj_qmp_caller_open(const char *path, struct rj_qmp_caller *ret,
				    struct ramjet_error *err);
void rj_qmp_caller_close(struct rj_qmp_caller *caller);
/*
 * `arguments` is *taken*; NULL: none. *ret (NULL ok) is *returned*. -EREMOTEIO
 * when the monitor refuses, with its text; -EPIPE when it has gone.
 */
RJ_NODISCARD int rj_qmp_caller_call(struct rj_qmp_caller *caller,
				    const char *command, json_t *arguments,
				    json_t **ret, struct ramjet_error *err);
/* The next event, *returned*; -ETIMEDOUT, without a message. */
RJ_NODISCARD int rj_qmp_caller_event(struct rj_qmp_caller *caller,
				     int timeout_ms, json_t **ret,
				     struct ramjet_error *err);
#endif
