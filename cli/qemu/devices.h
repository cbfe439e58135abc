/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_DEVICES_H
#define RJ_CLI_QEMU_DEVICES_H
/*
 * What a QEMU is made of, as text that means the same on both sides: machine
 * type, CPUs, and its tree of devices, without what belongs to the host (back
 * ends, paths). QEMU itself doesn't notice a device that only the target has,
 * nor other features of its CPUs.
 *
 * A line each:
 *   qemu 7.2.22
 *   machine pc-q35-7.2
 *   cpus 2 qemu64-x86_64-cpu
 *   cpuid 1.EDX=78bfbfd 7.0.EBX=...
 *   device /System/q35-pcihost/PCIE/VGA@02.0 pci=1234:1111 id=screen ...
 *
 * A device is known by its place. Ids are for messages: they aren't compared.
 */
#include "cli/qemu/monitor.h"

/* Most bytes of a description. Chosen: some thousand devices. */
#define RJ_QEMU_DEVICES_BYTES_MAX (256u << 10)

/* *Returned*, to be freed. Some KiB. */
RJ_NODISCARD int rj_qemu_devices_describe(struct rj_qemu *qemu, char **ret,
					  struct ramjet_error *err);
/*
 * -EINVAL naming what differs: the first few devices that only one side has,
 * or that are not the same. Versions of QEMU may differ where the machine type
 * has one in its name. Either text may come from outside: -EPROTO when it is
 * no description.
 */
RJ_NODISCARD int rj_qemu_devices_compare(const char *source, const char *target,
					 struct ramjet_error *err);
#endif
