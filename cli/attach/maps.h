/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_MAPS_H
#define RJ_CLI_ATTACH_MAPS_H
/* What a process has mapped where: /proc/PID/maps. */
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

struct rj_attach_mapping {
	uint64_t start;
	uint64_t end;
	uint64_t offset; /* in the file */
	uint64_t inode;  /* 0: no file */
	unsigned major;
	unsigned minor;
	bool readable;
	bool writable;
	bool executable;
	bool shared;      /* MAP_SHARED: others may have it too */
	const char *path; /* "": none; owned by the maps */
};

struct rj_attach_maps {
	struct rj_attach_mapping *list; /* by address */
	size_t count;
	char *text;
};

RJ_NODISCARD int rj_attach_maps_read(pid_t pid, struct rj_attach_maps *ret,
				     struct ramjet_error *err);
/* Safe on zeroes, and twice. */
void rj_attach_maps_free(struct rj_attach_maps *maps);
/* The mapping that `address` lies in, or NULL. */
const struct rj_attach_mapping *rj_attach_maps_at(
	const struct rj_attach_maps *maps, uint64_t address);
/* How many mappings [address, address + bytes) is made of; 0: there are gaps.
 * *ret_first is the first one. */
size_t rj_attach_maps_range(const struct rj_attach_maps *maps, uint64_t address,
			    uint64_t bytes,
			    const struct rj_attach_mapping **ret_first);
/* Both show the same file. */
bool rj_attach_mapping_same_file(const struct rj_attach_mapping *a,
				 const struct rj_attach_mapping *b);
/* A descriptor of the file that a shared mapping shows (memfd, file,
 * hugetlbfs), to be mapped here at mapping->offset; verified to be that file.
 * -ENOENT: none is to be had. */
RJ_NODISCARD int rj_attach_mapping_open(pid_t pid,
					const struct rj_attach_mapping *mapping,
					bool writable,
					struct ramjet_error *err);
#endif
