/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_REMOTE_KERNEL_FAULTS_H
#define RJ_DIRTY_REMOTE_KERNEL_FAULTS_H
/*
 * Is a userfaultfd told of faults that the kernel takes in its process's name
 * (KVM for a vCPU, read() into memory)? One that was made with
 * UFFD_USER_MODE_ONLY is not: such a write to a protected page fails, and ends a
 * guest. Nothing but a try tells. Asynchronous protection does not care.
 */
#include "dirty/remote/lifter.h"
#include "dirty/remote/walk.h"

/* `lifter` runs for the range's userfaultfd. Tried on a page of the range, whose
 * content stays as it is. -EPERM: it is not told. 0 also where this may not be
 * tried (no right to ptrace `pid`). */
RJ_NODISCARD int rj_kernel_faults_try(const struct rj_lifter *lifter,
				      int pagemap_fd, int pid,
				      const struct rj_remote_range *range,
				      struct ramjet_error *err);
#endif
