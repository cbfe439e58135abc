/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_SETTINGS_H
#define RJ_CLI_QEMU_SETTINGS_H
/*
 * Migration capabilities and parameters of a target QEMU: remembered, set to
 * what rj_qemu_loader needs, and put back. The source's are never touched.
 * A capability left behind would meet the next migration of that QEMU.
 */
#include "cli/qemu/monitor.h"

struct rj_qemu_settings {
	json_t *found;   /* capability -> bool: those that were changed */
	char *tls_creds; /* NULL: not changed */
};

/* All zero is none. On failure what was changed has been put back. */
RJ_NODISCARD int rj_qemu_settings_set(struct rj_qemu *target,
				      struct rj_qemu_settings *ret,
				      struct ramjet_error *err);
/* Everything is tried; the first refusal is told. Afterwards there is nothing
 * to put back, so that it may be called on each way out. */
RJ_NODISCARD int rj_qemu_settings_put_back(struct rj_qemu *target,
					   struct rj_qemu_settings *settings,
					   struct ramjet_error *err);
/* Forget, for a QEMU that is gone. */
void rj_qemu_settings_done(struct rj_qemu_settings *settings);
#endif
