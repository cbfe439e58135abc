/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_MEMORY_H
#define RJ_CLI_ATTACH_MEMORY_H
/* A piece of another process's memory as a block of ramjet's: mapped here where
 * the process shares it, reached by process_vm_readv() and its kind where not. */
#include "cli/attach/maps.h"
#include "cli/attach/process.h"
#include "ramjet-remote.h"

struct rj_attach_memory {
	char name[64];    /* of the block */
	uint64_t address; /* in that process */
	uint64_t bytes;
	uint64_t page_bytes;
	void *host; /* NULL: not mapped here */
	int fd;
	uint64_t fd_offset;
	struct ramjet_process_memory *process;
};
#define RJ_ATTACH_MEMORY_NONE ((struct rj_attach_memory){ .fd = -1 })

/* `ret` has name, address, bytes and page_bytes; the rest is filled in. */
RJ_NODISCARD int rj_attach_memory_open(const struct rj_attach_process *process,
				       const struct rj_attach_maps *maps,
				       struct rj_attach_memory *ret,
				       struct ramjet_error *err);
/* It becomes a block of the guest's; to be closed after that is freed, or has
 * dropped its blocks. */
RJ_NODISCARD int rj_attach_memory_add(const struct rj_attach_memory *memory,
				      struct ramjet_guest *guest,
				      struct ramjet_error *err);
/* Safe on one that is not open, and twice. */
void rj_attach_memory_close(struct rj_attach_memory *memory);
#endif
