/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_PEER_H
#define RJ_CLI_ATTACH_PEER_H
/* Who is at the other end of a monitor's socket. */
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

/*
 * The process that listens at the other end of a connected unix socket. It is
 * the one that called listen() last: behind a proxy that is not the VMM: -EINVAL
 * then, with what it is, and that pid=N says better. (A QEMU that is given a
 * socket as a descriptor, as libvirt does it, calls listen() once more.) `what` begins messages: "qemu:/run/x".
 */
RJ_NODISCARD int rj_attach_peer_pid(int socket_fd, const char *what, pid_t *ret,
				    struct ramjet_error *err);
/* It has a thread that calls itself `tid`, in whichever PID namespace it is. */
bool rj_attach_pid_has_thread(pid_t pid, pid_t tid);
/* Its program, or at least its name, is called qemu... or kvm. */
bool rj_attach_pid_is_qemu(pid_t pid);
/* What ps calls it; "?" where there is none. */
void rj_attach_pid_name(pid_t pid, char *text, size_t bytes);
#endif
