/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OUTSIDE_PAUSE_H
#define RJ_CLI_OUTSIDE_PAUSE_H
/* The pause of a QEMU that a guest is taken from: it is stopped and saved, and goes
 * on here or nowhere else. */
#include "cli/outside/guest_parts.h"

int rj_qemu_source_stop(void *user, struct ramjet_error *err);
int rj_qemu_source_save(void *user, void **ret_data, size_t *ret_bytes,
			struct ramjet_error *err);
int rj_qemu_source_start(struct rj_qemu_guest *guest, struct ramjet_error *err);
/* Has it stood still since it was stopped, its memory collected and its state
 * saved? -EIO: its owner has let it go on; or a reset was due when it was stopped,
 * which is carried out all the same. What is written then is in no collect. Under
 * guest->lock. */
RJ_NODISCARD int rj_qemu_source_check_still(struct rj_qemu_guest *guest,
					    struct ramjet_error *err);
/* The guest runs at the target now: nobody may have let it go on here. */
void rj_qemu_source_handed_over(struct rj_qemu_guest *guest);
#endif
