/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_MEMORY_LIMIT_H
#define RJ_UTIL_MEMORY_LIMIT_H
/*
 * How much memory this process may still take: what the machine has
 * (MemAvailable and free swap of /proc/meminfo), and what its control groups,
 * of either version, leave: limit, less what is used, but for page cache that
 * would be given back.
 */
#include <stdint.h>

struct rj_memory_limit {
	uint64_t available; /* bytes; UINT64_MAX: nothing is known */
	uint64_t limit;     /* of the group that limits; else MemTotal */
	uint64_t used;      /* of that, not to be had back */
	const char *by;     /* "the machine", "a memory cgroup"; static */
};

void rj_memory_limit_read(struct rj_memory_limit *ret);
/* The same from files below `root` ("" for the real ones). */
void rj_memory_limit_of(const char *root, struct rj_memory_limit *ret);
#endif
