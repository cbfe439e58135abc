/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_TRACKING_H
#define RJ_CLI_ATTACH_TRACKING_H
/*
 * Who writes a guest's memory, and a dirty source for each: the VMM, and other
 * processes that share it (vhost-user back ends), whose page tables are their
 * own. One that shares it, and was not named, would be overlooked: refused.
 */
#include "cli/attach/memory.h"

struct rj_attach_tracked {
	struct rj_attach_process *process; /* its uffd is *taken* */
	const struct rj_attach_memory *memory;
	size_t memory_count;
	/* Others that were named, and attached to; uffds are *taken*. */
	struct rj_attach_process *also;
	size_t also_count;
};

/* Adds the sources to the guest. -EBUSY, naming it: a process that was not
 * named writes the guest's memory as well. *ret_unread: so many processes could
 * not be looked at. */
RJ_NODISCARD int rj_attach_track(const struct rj_attach_tracked *tracked,
				 struct ramjet_guest *guest, size_t *ret_unread,
				 struct ramjet_error *err);
#endif
