/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_QEMU_CHECKS_H
#define RJ_CLI_ATTACH_QEMU_CHECKS_H
/*
 * Whether a QEMU can be moved. Saving the state of one with a device that
 * can't migrate *ends* it, so the source is asked before RAM moves, and again
 * after `stop`, right before saving: devices are plugged in meanwhile.
 */
#include "cli/attach/qemu_blocks.h"
#include "cli/attach/qemu_monitor.h"

/* -EPERM with QEMU's own words for each blocker; -EBUSY for a migration,
 * snapshot or block job that goes on; -ENOSYS where rj_qemu_saver can't work
 * with this build. */
RJ_NODISCARD int rj_qemu_check_source(struct rj_qemu *qemu,
				      struct ramjet_error *err);
/* Only what can have changed since, in as little time as possible: this is in
 * the pause. */
RJ_NODISCARD int rj_qemu_check_stopped(struct rj_qemu *qemu,
				       struct ramjet_error *err);
/* -EINVAL unless it waits for state: -S, -incoming defer, nothing loaded. */
RJ_NODISCARD int rj_qemu_check_target(struct rj_qemu *qemu,
				      struct ramjet_error *err);
/* -ENOMEM when /proc/meminfo says that the target's blocks can't hold what the
 * source has: `have_bytes` is available, `populated_bytes` is there already. */
RJ_NODISCARD int rj_qemu_check_memory(uint64_t needed_bytes,
				      uint64_t populated_bytes,
				      uint64_t have_bytes,
				      struct ramjet_error *err);
#endif
