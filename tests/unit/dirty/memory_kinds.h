/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_MEMORY_KINDS_H
#define RJ_TESTS_MEMORY_KINDS_H
/* The kinds of memory a block can be made of, for tests of what tracks it. */
#include <stdbool.h>

#include "ramjet-dirty.h"

enum memory_kind {
	MEMORY_ANON,
	MEMORY_THP,
	MEMORY_MEMFD,
	MEMORY_MEMFD_THP,
	MEMORY_HUGETLB_ANON,
	MEMORY_HUGETLB_MEMFD,
	MEMORY_KINDS_,
};

struct memory {
	struct ramjet_dirty_region region; /* "ram0" */
	uint64_t bytes;
	uint64_t unit_pages; /* smallest piece that can be told apart */
	void *map;
	uint64_t map_bytes;
	long old_hugepages; /* to be put back; -1: left alone */
	int pool_fd;        /* the lock on the pool; -1: none */
};

const char *memory_kind_name(enum memory_kind kind);
/* False, having said why, when this machine cannot have such memory. */
bool memory_make(enum memory_kind kind, uint64_t bytes, struct memory *ret);
void memory_free(struct memory *memory);

/* A second mapping of a memfd's region; munmap() it. */
uint8_t *memory_map_again(const struct memory *memory);
#endif
