/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/memfd_block.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct rj_block memfd_block(uint64_t pages)
{
	struct rj_block block = {
		.name = "ram0",
		.bytes = pages * RAMJET_PAGE_BYTES,
		.page_count = pages,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = memfd_create("ram0", MFD_CLOEXEC | MFD_ALLOW_SEALING),
		.fd_offset = MEMFD_MARGIN_PAGES * RAMJET_PAGE_BYTES,
		.flags = RAMJET_BLOCK_FRESH,
	};
	void *host;

	if (block.fd < 0 ||
	    ftruncate(block.fd, (off_t)(block.bytes + 2 * block.fd_offset)))
		abort();
	host = mmap(NULL, block.bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		    block.fd, (off_t)block.fd_offset);
	if (host == MAP_FAILED)
		abort();
	block.host = host;
	return block;
}

void memfd_block_free(struct rj_block *block)
{
	(void)munmap(block->host, block->bytes);
	(void)close(block->fd);
}

uint64_t memfd_block_allocated(const struct rj_block *block)
{
	struct stat st;

	if (fstat(block->fd, &st))
		abort();
	return (uint64_t)st.st_blocks * 512 / RAMJET_PAGE_BYTES;
}
