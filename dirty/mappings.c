/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dirty/uapi.h"
#include "util/cleanup.h"

/* MAP_ANONYMOUS | MAP_HUGETLB is a file inside of the kernel, of this name. */
#define ANON_HUGEPAGE "/anon_hugepage (deleted)"

/* ---- by address -------------------------------------------------------- */

static bool is_anon_hugepage(int maps, uint64_t at)
{
	char name[sizeof(ANON_HUGEPAGE)] = "";
	struct rj_procmap_query query = {
		.size = sizeof(query),
		.query_addr = at,
		.vma_name_size = sizeof(name),
		.vma_name_addr = (uintptr_t)name,
	};

	/* A longer name is an error, and not the one. */
	return !ioctl(maps, RJ_PROCMAP_QUERY, &query) &&
	       !strcmp(name, ANON_HUGEPAGE);
}

/* The mapping at this address. 0, -ENOENT, or what says that it can't be asked
 * for. */
static int ask(int maps, uint64_t at, struct rj_mapping *ret)
{
	struct rj_procmap_query query = {
		.size = sizeof(query),
		.query_addr = at,
	};

	if (ioctl(maps, RJ_PROCMAP_QUERY, &query))
		return -errno;
	*ret = (struct rj_mapping){
		.start = query.vma_start,
		.end = query.vma_end,
		.offset = query.vma_offset,
		.inode = query.inode,
		.major = query.dev_major,
		.minor = query.dev_minor,
		.shared = query.vma_flags & RJ_PROCMAP_SHARED,
		.anonymous = !query.inode || is_anon_hugepage(maps, at),
	};
	return 0;
}

/* 1: all of them; 0: not all; or a negative errno, `fn` not called. */
static int ask_for_all(int maps, uint64_t at, uint64_t end, rj_mapping_fn *fn,
		       void *user)
{
	struct rj_mapping m;
	int rc = ask(maps, at, &m);

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	for (;;) {
		if (!fn(user, &m))
			return 0;
		if (m.end >= end)
			return 1;
		if (ask(maps, m.end, &m))
			return 0;
	}
}

/* ---- by reading -------------------------------------------------------- */

static bool parse_line(const char *line, struct rj_mapping *m)
{
	char sharing;

	if (sscanf(line,
		   "%" SCNx64 "-%" SCNx64 " %*c%*c%*c%c %" SCNx64
		   " %x:%x %" SCNu64,
		   &m->start, &m->end, &sharing, &m->offset, &m->major,
		   &m->minor, &m->inode) != 7)
		return false;
	m->shared = sharing == 's';
	m->anonymous = !m->inode || strstr(line, " " ANON_HUGEPAGE "\n");
	return true;
}

static void fclosep(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

static int read_file(const char *path, uint64_t from, uint64_t end,
		     rj_mapping_fn *fn, void *user)
{
	rj_cleanup(fclosep) FILE *maps = fopen(path, "re");
	rj_autofree char *line = NULL;
	struct rj_mapping m;
	uint64_t at = from;
	size_t room = 0;

	if (!maps)
		return -errno;
	while (at < end && getline(&line, &room, maps) > 0) {
		if (!parse_line(line, &m))
			return 0;
		if (m.end <= at)
			continue;
		if (m.start > at || !fn(user, &m))
			return 0;
		at = m.end;
	}
	return at >= end;
}

bool rj_mappings_read(uint64_t from, uint64_t end, rj_mapping_fn *fn,
		      void *user)
{
	return read_file("/proc/self/maps", from, end, fn, user) > 0;
}

int rj_mappings_of_process(int pid, uint64_t from, uint64_t end,
			   rj_mapping_fn *fn, void *user)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	return read_file(path, from, end, fn, user);
}

bool rj_mappings_of(uint64_t from, uint64_t end, rj_mapping_fn *fn, void *user)
{
	rj_autoclose int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	const int rc =
		maps < 0 ? -errno : ask_for_all(maps, from, end, fn, user);

	return rc < 0 ? rj_mappings_read(from, end, fn, user) : rc;
}
