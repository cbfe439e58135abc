/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_MAPPINGS_H
#define RJ_DIRTY_MAPPINGS_H
/*
 * What this process, or another, has mapped where. Asked of the kernel by address (Linux
 * 6.11); before that all of /proc/self/maps is read each time, which with a
 * thousand blocks takes seconds.
 */
#include <stdbool.h>
#include <stdint.h>

struct rj_mapping {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint64_t inode;
	unsigned major;
	unsigned minor;
	bool shared;
	bool anonymous;
};

/* False: that is enough. */
typedef bool rj_mapping_fn(void *user, const struct rj_mapping *mapping);

/* Calls `fn` with the mappings that [from, end) is made of, in order. True when
 * they leave no gap, and `fn` wanted them all. */
bool rj_mappings_of(uint64_t from, uint64_t end, rj_mapping_fn *fn, void *user);
/* The same of another process: 1, 0, or a negative errno where it does not tell. */
int rj_mappings_of_process(int pid, uint64_t from, uint64_t end,
			   rj_mapping_fn *fn, void *user);
/* As on an older kernel. */
bool rj_mappings_read(uint64_t from, uint64_t end, rj_mapping_fn *fn,
		      void *user);
#endif
