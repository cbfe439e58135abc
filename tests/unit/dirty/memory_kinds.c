/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dirty/memory_kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_BYTES (UINT64_C(2) << 20)
/* Linux's code for 2 MiB, also of MFD_HUGE_*. */
#define HUGE_2MB (21u << 26)
#define POOL     "/proc/sys/vm/nr_hugepages"

const char *memory_kind_name(enum memory_kind kind)
{
	static const char *const names[] = {
		[MEMORY_ANON] = "anonymous",
		[MEMORY_THP] = "transparent huge pages",
		[MEMORY_MEMFD] = "memfd",
		[MEMORY_MEMFD_THP] = "memfd of transparent huge pages",
		[MEMORY_HUGETLB_ANON] = "anonymous hugetlb",
		[MEMORY_HUGETLB_MEMFD] = "hugetlb memfd",
	};

	return names[kind];
}

static bool is_hugetlb(enum memory_kind kind)
{
	return kind == MEMORY_HUGETLB_ANON || kind == MEMORY_HUGETLB_MEMFD;
}

static bool is_thp(enum memory_kind kind)
{
	return kind == MEMORY_THP || kind == MEMORY_MEMFD_THP;
}

/* The chosen word stands in brackets. */
static bool shmem_has_thp(void)
{
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled",
			   "re");
	char line[128] = "";
	bool has;

	if (file) {
		if (!fgets(line, sizeof(line), file))
			line[0] = '\0';
		(void)fclose(file);
	}
	has = strstr(line, "[always]") || strstr(line, "[advise]") ||
	      strstr(line, "[within_size]") || strstr(line, "[force]");
	if (!has)
		printf("# skipped: shmem_enabled of transparent_hugepage is "
		       "%s",
		       line[0] ? line : "unknown\n");
	return has;
}

static long read_pool(void)
{
	FILE *file = fopen(POOL, "re");
	long pages = -1;

	if (file) {
		if (fscanf(file, "%ld", &pages) != 1)
			pages = -1;
		(void)fclose(file);
	}
	return pages;
}

static void write_pool(long pages)
{
	FILE *file = fopen(POOL, "we");

	if (file) {
		(void)fprintf(file, "%ld\n", pages);
		(void)fclose(file);
	}
}

/* A page that is discarded while a look from outside has it in its hands is not
 * free before that has ended, and the next one is wanted already. */
#define SPARE_PAGES 2

static bool reserve(struct memory *memory)
{
	long wanted = (long)(memory->bytes / HUGE_BYTES) + SPARE_PAGES;
	long before;

	/* One pool for the whole machine: whoever else runs such a test waits,
	 * or would be killed by SIGBUS when its pages are taken away. */
	memory->pool_fd = open(POOL, O_RDONLY | O_CLOEXEC);
	if (memory->pool_fd >= 0)
		(void)flock(memory->pool_fd, LOCK_EX);
	before = read_pool();
	if (before < wanted) {
		memory->old_hugepages = before;
		write_pool(wanted);
	}
	if (read_pool() >= wanted)
		return true;
	printf("# skipped: " POOL " gives %ld huge pages, %ld wanted\n",
	       read_pool(), wanted);
	return false;
}

static int open_fd(enum memory_kind kind, uint64_t bytes)
{
	unsigned flags = MFD_CLOEXEC;
	int fd;

	if (kind != MEMORY_MEMFD && kind != MEMORY_MEMFD_THP &&
	    kind != MEMORY_HUGETLB_MEMFD)
		return -1;
	if (is_hugetlb(kind))
		flags |= MFD_HUGETLB | HUGE_2MB;
	fd = memfd_create("ramjet-test", flags);
	if (fd >= 0 && ftruncate(fd, (off_t)bytes)) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

/* Room for the memory at a multiple of 2 MiB. */
static uint8_t *make_room(struct memory *memory)
{
	uintptr_t at;

	memory->map_bytes = memory->bytes + HUGE_BYTES;
	memory->map = mmap(NULL, memory->map_bytes, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory->map == MAP_FAILED) {
		memory->map = NULL;
		return NULL;
	}
	at = (uintptr_t)memory->map;
	at = (at + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1);
	return (uint8_t *)memory->map + (at - (uintptr_t)memory->map);
}

static bool map(enum memory_kind kind, struct memory *memory)
{
	int fd = memory->region.fd;
	int flags = MAP_NORESERVE | MAP_FIXED |
		    (fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
	uint8_t *at = make_room(memory);

	if (is_hugetlb(kind))
		flags |= MAP_HUGETLB | (int)HUGE_2MB;
	if (!at || mmap(at, memory->bytes, PROT_READ | PROT_WRITE, flags, fd,
			0) == MAP_FAILED) {
		printf("# skipped: mmap: %s\n", strerror(errno));
		return false;
	}
	memory->region.host = at;
	if (is_thp(kind) && madvise(at, memory->bytes, MADV_HUGEPAGE)) {
		printf("# skipped: MADV_HUGEPAGE: %s\n", strerror(errno));
		return false;
	}
	return true;
}

bool memory_make(enum memory_kind kind, uint64_t bytes, struct memory *ret)
{
	bool huge = is_hugetlb(kind);

	*ret = (struct memory){
		.bytes = bytes,
		.unit_pages = huge ? HUGE_BYTES / RAMJET_PAGE_BYTES : 1,
		.old_hugepages = -1,
		.pool_fd = -1,
		.region = {
			.name = "ram0",
			.page_count = bytes / RAMJET_PAGE_BYTES,
			.page_bytes = huge ? HUGE_BYTES : RAMJET_PAGE_BYTES,
			.fd = open_fd(kind, bytes),
		},
	};
	if ((kind != MEMORY_MEMFD_THP || shmem_has_thp()) &&
	    (!huge || reserve(ret)) && map(kind, ret))
		return true;
	memory_free(ret);
	return false;
}

void memory_free(struct memory *memory)
{
	if (memory->map)
		(void)munmap(memory->map, memory->map_bytes);
	if (memory->region.fd >= 0)
		(void)close(memory->region.fd);
	if (memory->old_hugepages >= 0)
		write_pool(memory->old_hugepages);
	if (memory->pool_fd >= 0)
		(void)close(memory->pool_fd);
	memory->pool_fd = -1;
	memory->map = NULL;
	memory->region.fd = -1;
	memory->old_hugepages = -1;
}

uint8_t *memory_map_again(const struct memory *memory)
{
	void *again = mmap(NULL, memory->bytes, PROT_READ | PROT_WRITE,
			   MAP_SHARED, memory->region.fd, 0);

	return again == MAP_FAILED ? NULL : again;
}
