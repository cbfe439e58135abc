/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_QEMU_DEVICES_H
#define RJ_CLI_ATTACH_QEMU_DEVICES_H
/*
 * What a QEMU is made of, as text that means the same on both sides: machine
 * type, CPUs, and its tree of devices, without what belongs to the host (back
 * ends, addresses of its own, paths). QEMU itself doesn't notice a device that
 * only the target has.
 *
 * A line each: "machine pc-q35-7.2", "cpus 2 qemu64-x86_64-cpu", "qemu 7.2.22"
 * and, for a device, its place, type, id and what the guest sees of it.
 */
#include "cli/attach/qemu_monitor.h"

/* Most bytes of a description. Chosen: some thousand devices. */
#define RJ_QEMU_DEVICES_BYTES_MAX (256u << 10)

/* *Returned*, to be freed. */
RJ_NODISCARD int rj_qemu_devices_describe(struct rj_qemu *qemu, char **ret,
					  struct ramjet_error *err);
/*
 * -EINVAL naming what differs: the first few devices that only one side has,
 * or that are not the same. Other versions of QEMU are fine where the machine
 * type is one with a version in its name. Both texts may come from outside.
 */
RJ_NODISCARD int rj_qemu_devices_compare(const char *source, const char *target,
					 struct ramjet_error *err);
#endif
