/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_RING_H
#define RJ_RINGIO_RING_H
/* An io_uring with the best flags this kernel grants, for the one thread that
 * makes it. */
#include <liburing.h>
#include <stddef.h>

#include "util/compiler.h"

/* Newer than liburing 2.3; the kernel is asked, never the header. */
#ifndef IORING_FEAT_RECVSEND_BUNDLE
#define IORING_FEAT_RECVSEND_BUNDLE (1U << 14)
#endif

/*
 * Steps down on EINVAL: an older kernel does not know a flag. *ret_granted
 * (static) names what was granted. Other errors are final: EPERM (seccomp,
 * kernel.io_uring_disabled), ENOSYS, ENOMEM (memlock). A ring is one only if
 * it can be entered, and knows what channels need (-EOPNOTSUPP), all of which is
 * tried; *ret_granted then names what was refused.
 */
RJ_NODISCARD int rj_ring_open(struct io_uring *ret, const char **ret_granted);
void rj_ring_close(struct io_uring *ring);
/* Hands over what is prepared, and sleeps until a completion is there: 0, or
 * -ETIME after so long (NULL: for as long as it takes), -EINTR, -EBUSY: look
 * at what is there first; other errors are those of a broken ring. */
RJ_NODISCARD int rj_ring_wait(struct io_uring *ring,
			      struct __kernel_timespec *timeout);
/* Does the ring carry out this kind of request? Tried on no file. 0,
 * -EOPNOTSUPP when the kernel does not know it, or why the ring is of no use.
 * Nothing may be under way. */
RJ_NODISCARD int rj_ring_try(struct io_uring *ring, int opcode);
/* "io_uring_setup: Operation not permitted (seccomp or
 * kernel.io_uring_disabled)". */
void rj_ring_explain(int rc, const char *refused, char *text, size_t size);
#endif
