/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that is filled lazily, on kernels that protect private memory only:
 * before Linux 5.19, or made without CONFIG_PTE_MARKER_UFFD_WP. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dirty/lazy.h"
#include "dirty/uapi.h"
#include "dirty/uffd.h"
#include "ramjet-dirty.h"

#define PAGES 64u

static const void *shared;

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, ...);

/* As fs/userfaultfd.c of Linux 5.18: what is not supported comes first, whoever
 * has the memory. */
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	const struct uffdio_register *reg;
	const struct uffdio_api *api;
	void *argument;
	va_list args;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	api = argument;
	reg = argument;
	errno = EINVAL;
	if (request == UFFDIO_API &&
	    api->features & UFFD_FEATURE_WP_HUGETLBFS_SHMEM)
		return -1;
	if (request == UFFDIO_REGISTER && reg->mode & UFFDIO_REGISTER_MODE_WP &&
	    reg->range.start == (uintptr_t)shared)
		return -1;
	return __real_ioctl(fd, request, argument);
}

static void shared_memory_is_seen_to_be_lazy(void **state)
{
	const size_t bytes = PAGES * (size_t)RAMJET_PAGE_BYTES;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct ramjet_dirty_region region = {
		.name = "ram0",
		.page_count = PAGES,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = memfd_create("ram0", MFD_CLOEXEC),
	};
	const int filler = rj_uffd_open(NULL);
	const char *reason = NULL;

	(void)state;
	if (filler < 0 || ioctl(filler, UFFDIO_API, &api)) {
		printf("# skipped: no userfaultfd\n");
		skip();
	}
	assert_int_equal(ftruncate(region.fd, (off_t)bytes), 0);
	region.host = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			   region.fd, 0);
	assert_ptr_not_equal(region.host, MAP_FAILED);
	shared = region.host;
	rj_lazy_look(&region, 1, &reason);
	assert_null(reason);
	reg.range.start = (uintptr_t)region.host;
	reg.range.len = bytes;
	assert_int_equal(ioctl(filler, UFFDIO_REGISTER, &reg), 0);
	rj_lazy_look(&region, 1, &reason);
	assert_non_null(reason);
	(void)close(filler);
	(void)munmap(region.host, bytes);
	(void)close(region.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_memory_is_seen_to_be_lazy),
	};

	return cmocka_run_group_tests_name("lazy_old", tests, NULL, NULL);
}
