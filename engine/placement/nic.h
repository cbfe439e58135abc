/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PLACEMENT_NIC_H
#define RJ_ENGINE_PLACEMENT_NIC_H
/* Which network interface a connection goes through, and its NUMA node. */
#include <net/if.h>
#include <sys/socket.h>

#include "util/compiler.h"

#define RJ_NIC_FILES "/sys/class/net"

/* The interface that has the connection's own address: 0, -EAFNOSUPPORT (not
 * TCP), -ENODEV (no interface has it), or another errno. */
RJ_NODISCARD int rj_nic_of(int fd, char ret_name[IF_NAMESIZE]);

/*
 * The kernel's number of the node the interface's device sits on, or -1:
 * unknown. Below a bond, bridge or VLAN, the node that all of its devices
 * have. `files` is RJ_NIC_FILES, or a test's.
 */
int rj_nic_node(const char *files, const char *name);
#endif
