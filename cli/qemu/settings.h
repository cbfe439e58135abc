/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_SETTINGS_H
#define RJ_CLI_QEMU_SETTINGS_H
/*
 * Migration capabilities and parameters of a QEMU: remembered, set to what
 * rj_qemu_loader needs at a target, or rj_qemu_saver at a source that is saved by
 * a migration of its own, and put back. Other sources' are never touched.
 * A capability left behind would meet the next migration of that QEMU.
 */
#include "cli/qemu/monitor.h"

/* How device state comes out of the source. */
enum rj_qemu_way {
	RJ_QEMU_BY_SAVE = 0, /* xen-save-devices-state */
	RJ_QEMU_BY_MIGRATE, /* migrate, with x-ignore-shared: no shared memory */
};

struct rj_qemu_settings {
	json_t *found;   /* capability -> bool: those that were changed */
	char *tls_creds; /* NULL: not changed */
	/* max-bandwidth; 0, which limits nothing: not changed */
	json_int_t bandwidth;
};

/* All zero is none. On failure what was changed has been put back. */
RJ_NODISCARD int rj_qemu_settings_set(struct rj_qemu *target,
				      enum rj_qemu_way way,
				      struct rj_qemu_settings *ret,
				      struct ramjet_error *err);
/* Of a source that is saved by a migration: no limit to its bandwidth either. */
RJ_NODISCARD int rj_qemu_settings_set_source(struct rj_qemu *source,
					     struct rj_qemu_settings *ret,
					     struct ramjet_error *err);
/* The QMP commands that put them back, one a line, *returned*; "": none. */
RJ_NODISCARD int rj_qemu_settings_undo(const struct rj_qemu_settings *settings,
				       char **ret, struct ramjet_error *err);
/* Everything is tried; the first refusal is told. Afterwards there is nothing
 * to put back, so that it may be called on each way out. */
RJ_NODISCARD int rj_qemu_settings_put_back(struct rj_qemu *target,
					   struct rj_qemu_settings *settings,
					   struct ramjet_error *err);
/* Forget, for a QEMU that is gone. */
void rj_qemu_settings_done(struct rj_qemu_settings *settings);
#endif
