/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_SHARERS_H
#define RJ_CLI_ATTACH_SHARERS_H
/*
 * Other processes that may write to a guest's shared memory (vhost-user back
 * ends, virtiofsd): they have page tables of their own, so what they write is
 * not seen unless they are attached to as well.
 */
#include "cli/attach/maps.h"

struct rj_attach_sharer {
	pid_t pid;
	unsigned block; /* the first of `blocks` that it has mapped */
	char name[64];
};

struct rj_attach_sharers {
	struct rj_attach_sharer *list;
	size_t count;
	size_t unread;   /* processes whose mappings could not be looked at */
	pid_t an_unread; /* one of them */
};

/* Who else has part of one of `blocks` (mappings of `pid`; private ones are
 * passed over) mapped shared and writable. This process and `pid` are left out.
 * A process that ends meanwhile is not there. */
RJ_NODISCARD int rj_attach_sharers_find(pid_t pid,
					const struct rj_attach_mapping *blocks,
					size_t count,
					struct rj_attach_sharers *ret,
					struct ramjet_error *err);
/* Safe on zeroes, and twice. */
void rj_attach_sharers_free(struct rj_attach_sharers *sharers);
#endif
