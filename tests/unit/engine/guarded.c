/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/guarded.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD_BYTES  (2 * (uint64_t)RAMJET_PAGE_BYTES) /* on either side */
#define CANARY       0xa5
#define PAGEMAP_HELD (UINT64_C(3) << 62) /* present, or swapped */

int guarded_map(struct guarded *g, uint64_t bytes)
{
	const uint64_t map_bytes = bytes + 2 * GUARD_BYTES;
	uint8_t *map = mmap(NULL, map_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return -errno;
	*g = (struct guarded){
		.map = map,
		.map_bytes = map_bytes,
		.host = map + GUARD_BYTES,
		.bytes = bytes,
	};
	/* Else one touch populates 2 MiB. */
	(void)madvise(map, map_bytes, MADV_NOHUGEPAGE);
	memset(g->host - RAMJET_PAGE_BYTES, CANARY, RAMJET_PAGE_BYTES);
	memset(g->host + bytes, CANARY, RAMJET_PAGE_BYTES);
	if (mprotect(map, RAMJET_PAGE_BYTES, PROT_NONE) ||
	    mprotect(map + map_bytes - RAMJET_PAGE_BYTES, RAMJET_PAGE_BYTES,
		     PROT_NONE)) {
		guarded_unmap(g);
		return -errno;
	}
	return 0;
}

void guarded_unmap(struct guarded *g)
{
	if (g->map)
		(void)munmap(g->map, g->map_bytes);
	*g = (struct guarded){ 0 };
}

static bool is_canary(const uint8_t *page)
{
	for (unsigned i = 0; i < RAMJET_PAGE_BYTES; i++)
		if (page[i] != CANARY)
			return false;
	return true;
}

bool guarded_is_intact(const struct guarded *g)
{
	return is_canary(g->host - RAMJET_PAGE_BYTES) &&
	       is_canary(g->host + g->bytes);
}

uint64_t guarded_resident(const struct guarded *g, uint64_t first,
			  uint64_t count)
{
	const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	const uint64_t at = (uintptr_t)g->host / RAMJET_PAGE_BYTES + first;
	uint64_t resident = 0, entry;

	for (uint64_t i = 0; i < count; i++)
		if (pread(fd, &entry, sizeof(entry),
			  (off_t)((at + i) * sizeof(entry))) == sizeof(entry) &&
		    entry & PAGEMAP_HELD)
			resident++;
	(void)close(fd);
	return resident;
}

struct rj_block guarded_block(const struct guarded *g)
{
	return (struct rj_block){
		.name = "ram0",
		.host = g->host,
		.bytes = g->bytes,
		.page_count = g->bytes / RAMJET_PAGE_BYTES,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = -1,
	};
}

void guarded_fill(const struct guarded *g, uint64_t page, uint64_t seed)
{
	uint64_t *words = (uint64_t *)(g->host + page * RAMJET_PAGE_BYTES);
	uint64_t x = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + page;

	for (unsigned i = 0; i < RAMJET_PAGE_BYTES / sizeof(*words); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		words[i] = x | 1;
	}
}
