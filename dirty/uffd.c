/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"

/* linux/userfaultfd.h since 5.11 */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

/* The device first: a sandbox may kill a process that makes the system call.
 * The system call with UFFD_USER_MODE_ONLY needs no privilege. */
int rj_uffd_open(struct ramjet_error *err)
{
	const int flags = O_CLOEXEC | O_NONBLOCK;
	rj_autoclose int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	long fd = -1;

	if (device >= 0)
		fd = ioctl(device, USERFAULTFD_IOC_NEW, flags);
	if (fd < 0)
		fd = syscall(SYS_userfaultfd, flags | UFFD_USER_MODE_ONLY);
	if (fd >= 0)
		return (int)fd;
	return rj_fail_errno(err, -errno,
			     "userfaultfd: neither the system call nor "
			     "/dev/userfaultfd may be used");
}
