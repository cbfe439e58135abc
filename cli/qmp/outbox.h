/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QMP_OUTBOX_H
#define RJ_CLI_QMP_OUTBOX_H
/* What waits to be written to one client, up to a limit. One thread. */
#include <stdbool.h>
#include <stddef.h>

#include "util/compiler.h"

/* A client that leaves more than this unread is cut off. */
#define RJ_QMP_OUTBOX_BYTES_MAX (1u << 20)

struct rj_qmp_outbox {
	char *bytes;
	size_t begin; /* waiting: [begin, end) */
	size_t end;
	size_t room;
};

/* All zero is empty. */
void rj_qmp_outbox_done(struct rj_qmp_outbox *outbox);
bool rj_qmp_outbox_is_empty(const struct rj_qmp_outbox *outbox);
/* All or nothing: -ENOBUFS when it would exceed the limit. */
RJ_NODISCARD int rj_qmp_outbox_add(struct rj_qmp_outbox *outbox,
				   const char *bytes, size_t count);
/* Write what the socket `fd` takes without waiting. -EPIPE and the like. */
RJ_NODISCARD int rj_qmp_outbox_flush(struct rj_qmp_outbox *outbox, int fd);
#endif
