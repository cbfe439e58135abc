/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/watched_page.h"

#include "tests/unit/cmocka_all.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dirty/uffd.h"

bool watched_page_begin(struct watched_page *page, uint8_t *at)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			    UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
	};
	struct uffdio_register reg = {
		.range = { (uintptr_t)at, RAMJET_PAGE_BYTES },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect protect = {
		.range = reg.range,
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	*page = (struct watched_page){ .uffd = rj_uffd_open(NULL), .at = at };
	if (page->uffd >= 0 && !ioctl(page->uffd, UFFDIO_API, &api) &&
	    !ioctl(page->uffd, UFFDIO_REGISTER, &reg) &&
	    !ioctl(page->uffd, UFFDIO_WRITEPROTECT, &protect))
		return true;
	printf("# skipped: no write protection by userfaultfd\n");
	if (page->uffd >= 0)
		(void)close(page->uffd);
	return false;
}

void watched_page_await(const struct watched_page *page)
{
	struct pollfd poller = { .fd = page->uffd, .events = POLLIN };
	struct uffd_msg msg;

	assert_int_equal(poll(&poller, 1, -1), 1);
	assert_int_equal(read(page->uffd, &msg, sizeof(msg)), sizeof(msg));
	assert_int_equal(msg.event, UFFD_EVENT_PAGEFAULT);
}

void watched_page_release(struct watched_page *page)
{
	struct uffdio_writeprotect lift = {
		.range = { (uintptr_t)page->at, RAMJET_PAGE_BYTES },
	};

	assert_int_equal(ioctl(page->uffd, UFFDIO_WRITEPROTECT, &lift), 0);
	(void)close(page->uffd);
}
