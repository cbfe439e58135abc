/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/bit_memory.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/bits.h"
#include "util/error.h"

#define NODES_MAX 1024u /* the kernel's own limit on x86-64 */

int rj_bit_memory_map(const char *what, size_t bytes, void **ret,
		      struct ramjet_error *err)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return rj_fail_errno(err, -ENOMEM,
				     "%s: no %zu bytes of addresses", what,
				     bytes);
	/* Refused by kernels that have no such pages. */
	(void)madvise(memory, bytes, MADV_NOHUGEPAGE);
	*ret = memory;
	return 0;
}

void rj_bit_memory_unmap(void *memory, size_t bytes)
{
	if (memory)
		(void)munmap(memory, bytes);
}

void rj_bit_memory_prefer(void *part, size_t bytes, unsigned node)
{
	const uintptr_t page = RAMJET_PAGE_BYTES - 1;
	const uintptr_t from = ((uintptr_t)part + page) & ~page;
	const uintptr_t end = ((uintptr_t)part + bytes) & ~page;
	unsigned long nodes[NODES_MAX / RJ_WORD_BITS] = { 0 };

	if (from >= end || node >= NODES_MAX)
		return;
	nodes[node / RJ_WORD_BITS] = 1ul << node % RJ_WORD_BITS;
	/* The kernel takes one less than the number it is told. */
	(void)syscall(SYS_mbind, from, end - from, MPOL_PREFERRED, nodes,
		      NODES_MAX + 1ul, 0);
}
