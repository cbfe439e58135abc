/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/scaling/memory.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/busy_guest.h"

#define PIECE_BYTES (UINT64_C(2) << 20)
#define PIECE_PAGES (PIECE_BYTES / RAMJET_PAGE_BYTES)
/* Incompressible, and never the same page twice. */
#define STEP UINT64_C(0x9e3779b97f4a7c15)

static const char *const names[] = { "private", "thp", "memfd" };

enum memory_kind memory_kind_of(const char *name)
{
	unsigned kind = 0;

	while (kind < MEMORY_KINDS_ && strcmp(names[kind], name))
		kind++;
	return kind;
}

/* Huge pages need an address that is a multiple of theirs. */
static uint8_t *aligned(uint8_t *from)
{
	return from + (-(uintptr_t)from & (PIECE_BYTES - 1));
}

void memory_map(struct memory *memory)
{
	const uint64_t bytes = memory->bytes + PIECE_BYTES;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *map;

	memory->fd = -1;
	if (memory->kind == MEMORY_MEMFD) {
		memory->fd = memfd_create("scaling", MFD_CLOEXEC);
		if (memory->fd < 0 || ftruncate(memory->fd, (off_t)bytes))
			give_up("no memfd of this size");
		flags = MAP_SHARED | MAP_NORESERVE;
	}
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, memory->fd, 0);
	if (map == MAP_FAILED)
		give_up("no address space of this size");
	/* A file's offset 0 has to be at an aligned address, too. */
	memory->host = aligned(map);
	if (memory->fd >= 0 &&
	    mmap(memory->host, memory->bytes, PROT_READ | PROT_WRITE,
		 flags | MAP_FIXED, memory->fd, 0) == MAP_FAILED)
		give_up("no second mapping");
	/* Kernels without transparent huge pages refuse both advices. */
	(void)madvise(memory->host, memory->bytes,
		      memory->kind == MEMORY_THP ? MADV_HUGEPAGE
						 : MADV_NOHUGEPAGE);
}

uint64_t memory_used_pages(const struct memory *memory)
{
	return memory->used / RAMJET_PAGE_BYTES;
}

uint8_t *memory_page(const struct memory *memory, uint64_t index)
{
	const uint64_t pieces = memory->used / PIECE_BYTES;
	/* Of all, so many lie from one used piece to the next. */
	const uint64_t stride = memory->bytes / PIECE_BYTES / pieces;

	return memory->host + index / PIECE_PAGES * stride * PIECE_BYTES +
	       index % PIECE_PAGES * RAMJET_PAGE_BYTES;
}

static void write_page(uint8_t *page, uint64_t seed)
{
	uint64_t words[RAMJET_PAGE_BYTES / sizeof(uint64_t)];

	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
		seed += STEP;
		words[i] = seed ^ (seed >> 29) * STEP;
	}
	memcpy(page, words, sizeof(words));
}

void memory_fill(const struct memory *memory, bool written)
{
	const uint64_t pages = memory_used_pages(memory);

	for (uint64_t i = 0; i < pages; i += PIECE_PAGES)
		if (madvise(memory_page(memory, i), PIECE_BYTES,
			    MADV_POPULATE_WRITE))
			give_up("no memory to populate");
	for (uint64_t i = 0; written && i < pages; i++)
		if (i * 37 % 100 >= memory->zero)
			write_page(memory_page(memory, i), i * STEP);
}

struct ramjet_block memory_block(const struct memory *memory, bool fresh)
{
	struct ramjet_block block;

	ramjet_block_init(&block);
	block.name = "ram0";
	block.host = memory->host;
	block.bytes = memory->bytes;
	block.fd = memory->fd;
	block.flags = RAMJET_BLOCK_PINNABLE;
	if (fresh)
		block.flags |= RAMJET_BLOCK_FRESH;
	return block;
}
