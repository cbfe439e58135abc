/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/memory.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/error.h"

/* Where in one file all of it lies: a single mapping of ours shows it then. The
 * process may have it in several pieces (what it told the kernel about them
 * differs). Not what it may only read: we might be allowed to write to the file,
 * and it might be an image that many use (readonly=on). */
static bool is_one_file(const struct rj_attach_maps *maps,
			const struct rj_attach_memory *memory,
			const struct rj_attach_mapping **ret_first)
{
	const size_t count = rj_attach_maps_range(maps, memory->address,
						  memory->bytes, ret_first);
	const struct rj_attach_mapping *first = *ret_first;

	if (!count || !first->shared || !first->writable || !first->inode)
		return false;
	for (size_t i = 1; i < count; i++)
		if (!first[i].shared || !first[i].writable ||
		    !rj_attach_mapping_same_file(first, &first[i]) ||
		    first[i].offset - first->offset !=
			    first[i].start - first->start)
			return false;
	return true;
}

/* False: it isn't to be had. */
static bool map(const struct rj_attach_process *process,
		const struct rj_attach_maps *maps,
		struct rj_attach_memory *memory)
{
	const struct rj_attach_mapping *first = NULL;
	void *host;

	if (!is_one_file(maps, memory, &first))
		return false;
	memory->fd = rj_attach_mapping_open(process->pid, first, true, NULL);
	if (memory->fd < 0) {
		memory->fd = -1;
		return false;
	}
	memory->fd_offset = first->offset + (memory->address - first->start);
	host = mmap(NULL, memory->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		    memory->fd, (off_t)memory->fd_offset);
	if (host == MAP_FAILED) {
		rj_close_fd(&memory->fd);
		return false;
	}
	memory->host = host;
	return true;
}

/* A page of a private file mapping that was never written shows what is in the
 * file; here it would be taken for zeroes. QEMU's own files are empty, unless
 * guests are started from a template. */
static int check_file_is_empty(const struct rj_attach_process *process,
			       const struct rj_attach_mapping *m,
			       const struct rj_attach_memory *memory,
			       struct ramjet_error *err)
{
	/* Looked at, not mapped: whose pages are whose does not matter. */
	struct rj_attach_mapping file = *m;
	struct stat status;
	int fd, rc;

	file.shared = true;
	if (m->shared || !m->inode || !strncmp(m->path, "/anon_hugepage", 14))
		return 0;
	fd = rj_attach_mapping_open(process->pid, &file, false, NULL);
	rc = fd >= 0 && !fstat(fd, &status) && !status.st_blocks ? 0 : -EPERM;
	rj_close_fd(&fd);
	return rc ? rj_fail(err, rc,
			    "block %s: is mapped privately from %s, which is "
			    "not known to be empty, wanted share=on or memory "
			    "without a file",
			    memory->name, m->path)
		  : 0;
}

static int check_files(const struct rj_attach_process *process,
		       const struct rj_attach_maps *maps,
		       const struct rj_attach_memory *memory,
		       struct ramjet_error *err)
{
	const struct rj_attach_mapping *first = NULL;
	const size_t count = rj_attach_maps_range(maps, memory->address,
						  memory->bytes, &first);
	int rc = 0;

	for (size_t i = 0; !rc && i < count; i++)
		rc = check_file_is_empty(process, first + i, memory, err);
	return rc;
}

int rj_attach_memory_open(const struct rj_attach_process *process,
			  const struct rj_attach_maps *maps,
			  struct rj_attach_memory *ret,
			  struct ramjet_error *err)
{
	struct ramjet_process_memory_options options = {
		RAMJET_PROCESS_MEMORY_OPTIONS_INIT
	};
	int rc;

	ret->fd = -1;
	if (map(process, maps, ret))
		return 0;
	rc = check_files(process, maps, ret, err);
	if (rc)
		return rc;
	options.pid = process->pid;
	options.mem_fd = process->vm_calls ? -1 : process->mem_fd;
	options.pagemap_fd = process->pagemap_fd;
	options.address = ret->address;
	options.bytes = ret->bytes;
	return ramjet_process_memory_new(&options, &ret->process, err);
}

int rj_attach_memory_add(const struct rj_attach_memory *memory,
			 struct ramjet_guest *guest, struct ramjet_error *err)
{
	struct ramjet_block block = { RAMJET_BLOCK_INIT };
	int rc;

	block.name = memory->name;
	block.bytes = memory->bytes;
	block.page_bytes = (uint32_t)memory->page_bytes;
	block.host = memory->host;
	if (memory->host) {
		block.fd = memory->fd;
		block.fd_offset = memory->fd_offset;
	} else {
		block.memory = ramjet_process_memory_ops();
		block.memory_user = memory->process;
	}
	rc = ramjet_guest_add_block(guest, &block, err);
	return rc < 0 ? rc : 0;
}

void rj_attach_memory_close(struct rj_attach_memory *memory)
{
	if (memory->host)
		(void)munmap(memory->host, memory->bytes);
	memory->host = NULL;
	ramjet_process_memory_free(memory->process);
	memory->process = NULL;
	rj_close_fd(&memory->fd);
}
