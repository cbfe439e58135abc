/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings that are refused, as by a sandbox or a memory limit, and rings that break
 * while they are waited for. What ring.c asks itself is not seen here.
 */
#include <errno.h>

#include "ringio/ring.h"
#include "tests/unit/engine/sweep/fault.h"

int __real_rj_ring_open(struct io_uring *ret, const char **ret_granted);
int __wrap_rj_ring_open(struct io_uring *ret, const char **ret_granted);
int __real_rj_ring_wait(struct io_uring *ring,
			struct __kernel_timespec *timeout);
int __wrap_rj_ring_wait(struct io_uring *ring,
			struct __kernel_timespec *timeout);

int __wrap_rj_ring_open(struct io_uring *ret, const char **ret_granted)
{
	if (fault_step(FAULT_RING) != FAULT_ERROR)
		return __real_rj_ring_open(ret, ret_granted);
	*ret_granted = "io_uring_setup";
	return -EPERM;
}

int __wrap_rj_ring_wait(struct io_uring *ring,
			struct __kernel_timespec *timeout)
{
	switch (fault_step(FAULT_RING_WAIT)) {
	case FAULT_ERROR:
		return -EBADR;
	case FAULT_SHORT:
		return -EINTR;
	case FAULT_DELAY:
		fault_nap();
		return -EINTR;
	default:
		return __real_rj_ring_wait(ring, timeout);
	}
}
