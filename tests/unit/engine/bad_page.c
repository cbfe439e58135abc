/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/bad_page.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ramjet.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
/* linux/userfaultfd.h since 6.6 */
#define POISON_FEATURE (UINT64_C(1) << 14)
struct poison {
	struct uffdio_range range;
	uint64_t mode;
	int64_t updated;
};
#define POISON _IOWR(0xaa, 0x08, struct poison)

static bool poison(int fd, struct uffdio_range range)
{
	struct uffdio_api api = { .api = UFFD_API, .features = POISON_FEATURE };
	struct uffdio_register reg = { .range = range,
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct poison how = { .range = range };

	return !ioctl(fd, UFFDIO_API, &api) &&
	       !ioctl(fd, UFFDIO_REGISTER, &reg) && !ioctl(fd, POISON, &how);
}

bool bad_page_make(uint8_t *host)
{
	const struct uffdio_range range = { (uintptr_t)host,
					    RAMJET_PAGE_BYTES };
	const int fd =
		(int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	/* Only what is missing can be. */
	const bool made = fd >= 0 &&
			  !madvise(host, RAMJET_PAGE_BYTES, MADV_DONTNEED) &&
			  poison(fd, range);

	/* It stays so without the descriptor. */
	if (fd >= 0)
		(void)close(fd);
	if (!made)
		printf("# skipped: this kernel makes no bad pages\n");
	return made;
}
