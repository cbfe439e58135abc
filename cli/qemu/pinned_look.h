/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_PINNED_LOOK_H
#define RJ_CLI_QEMU_PINNED_LOOK_H
/*
 * Who writes a QEMU's guest through pages that were pinned earlier, past all
 * write protection; by what QEMU says of its devices, network and disks. The
 * texts may be anything.
 */
#include <jansson.h>
#include <stdbool.h>

#include "ramjet.h"
#include "util/compiler.h"

/* What there is to be done about it, the worst last. */
enum rj_pinned_way {
	/* Nobody does. vhost in the kernel doesn't, either: it copies through
	 * QEMU's page tables. Nor do reads without O_DIRECT. */
	RJ_PINNED_NONE,
	/* QEMU's block layer: its requests can be waited for, as QEMU is. */
	RJ_PINNED_DRAIN,
	/* Somebody whom QEMU waits for when it stops. */
	RJ_PINNED_QUIET,
	/* Devices that write whenever they like. */
	RJ_PINNED_REFUSED,
};

struct rj_pinned_finding {
	enum rj_pinned_way way;
	char who[160]; /* "disk d0 (O_DIRECT)"; "": nobody */
};

/* What `info qtree` says; the worst of it and of *finding goes there, as with
 * the others. */
void rj_pinned_look_tree(const char *text, struct rj_pinned_finding *finding);
/* `info network`. */
void rj_pinned_look_network(const char *text,
			    struct rj_pinned_finding *finding);
/* What query-named-block-nodes returns. -EPROTO where that isn't it. */
RJ_NODISCARD int rj_pinned_look_nodes(const json_t *nodes,
				      struct rj_pinned_finding *finding,
				      struct ramjet_error *err);
#endif
