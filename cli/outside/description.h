/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OUTSIDE_DESCRIPTION_H
#define RJ_CLI_OUTSIDE_DESCRIPTION_H
/*
 * What the source says of its QEMU before memory moves, as JSON: of what it is
 * made, and which blocks it has (match.h). What is read comes from outside.
 */
#include "cli/outside/match.h"
#include "cli/qemu/settings.h"

struct rj_qemu_description {
	char *devices; /* cli/qemu/devices.h; malloc()ed */
	struct rj_qemu_parts parts;
	enum rj_qemu_way way; /* its state comes so */
};
void rj_qemu_description_done(struct rj_qemu_description *description);

/* *Returned*, to be freed; -E2BIG: more than ramjet takes. */
RJ_NODISCARD int rj_qemu_description_write(const char *devices,
					   const struct rj_qemu_parts *parts,
					   enum rj_qemu_way way, char **ret,
					   size_t *ret_bytes,
					   struct ramjet_error *err);
/* -EPROTO when it is no such text. `data` may be NULL: none came. */
RJ_NODISCARD int rj_qemu_description_read(const void *data, size_t bytes,
					  struct rj_qemu_description *ret,
					  struct ramjet_error *err);
#endif
