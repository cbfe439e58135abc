/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_CHECKS_H
#define RJ_CLI_QEMU_CHECKS_H
/*
 * Whether a QEMU can be moved. Saving the state of one with a device that
 * can't migrate *ends* it (QEMU 7.2 and 10 dereference what such a device
 * doesn't have), so the source is asked before RAM moves, and again after
 * `stop`, right before saving: devices are plugged in meanwhile. query-migrate
 * lists them all, since QEMU 6.
 */
#include "cli/qemu/monitor.h"

/* -EPERM with QEMU's own words for each blocker; -EBUSY for a migration, dump
 * or job that goes on; -EINVAL for a guest in a state that can't be carried
 * over, such as a panic; -ENOSYS for a QEMU that can't be moved at all. */
RJ_NODISCARD int rj_qemu_check_source(struct rj_qemu *source,
				      struct ramjet_error *err);
/* After `stop`: only what can have changed, with the least of commands, since
 * this is in the pause. */
RJ_NODISCARD int rj_qemu_check_stopped(struct rj_qemu *source,
				       struct ramjet_error *err);
/* -EINVAL unless it waits for state: -incoming defer, nothing begun. Whether it
 * has -S can't be seen, see rj_qemu_loader_prepare(). */
RJ_NODISCARD int rj_qemu_check_target(struct rj_qemu *target,
				      struct ramjet_error *err);
#endif
