/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_SCALING_MEMORY_H
#define BENCH_SCALING_MEMORY_H
/* Guest memory of any size, a part of which is in use. Errors end the
 * program. */
#include <ramjet.h>

#include <stdbool.h>
#include <stdint.h>

enum memory_kind {
	MEMORY_PRIVATE, /* 4 KiB pages */
	MEMORY_THP,     /* the same in transparent huge pages */
	MEMORY_MEMFD,   /* shared, 4 KiB pages */
	MEMORY_KINDS_
};
/* MEMORY_KINDS_: no such. */
enum memory_kind memory_kind_of(const char *name);

struct memory {
	enum memory_kind kind;
	uint64_t bytes;
	uint64_t used; /* in pieces of 2 MiB, spread over all of it */
	unsigned zero; /* percent of the used pages that hold zeros */
	uint8_t *host; /* set by memory_map() */
	int fd;        /* MEMORY_MEMFD's, else -1 */
};

void memory_map(struct memory *memory);
/* All used pages are populated, those that are not zero written. */
void memory_fill(const struct memory *memory, bool written);
/* The index-th used page, of memory_used_pages(). */
uint8_t *memory_page(const struct memory *memory, uint64_t index);
uint64_t memory_used_pages(const struct memory *memory);
struct ramjet_block memory_block(const struct memory *memory, bool fresh);
#endif
