/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocks that are memory of another process.
 *
 * What is populated is asked of its page tables, which tell it of private memory
 * without a file only: an absent page of any other may hold something. A process
 * that is gone has no page tables, which reads as "nothing is populated": so it is
 * asked for after each look.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dirty/mappings.h"
#include "dirty/pagemap_entries.h"
#include "dirty/pagescan.h"
#include "engine/process/copy.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/options.h"

/* What is looked at before somebody is told: who wants the first page alone need
 * not wait for more. Chosen: 64 MiB, a scan of 50 us where all is populated. */
#define LOOK_PAGES 16384u

struct ramjet_process_memory {
	/* immutable once made */
	struct rj_process_place place;
	uint64_t bytes;
	int pagemap_fd;
	bool knows_absent; /* absent pages read as zero */
	struct rj_scan_pool scans;
	/* PAGEMAP_SCAN is not there; relaxed: it costs a call more */
	atomic_bool no_scan;
};

/* ---- what is populated ---------------------------------------------------- */

static const struct rj_pagescan_query populated = {
	.inverted = RJ_PAGE_IS_PFNZERO,
	.mask = RJ_PAGE_IS_PFNZERO,
	.anyof = RJ_PAGE_IS_PRESENT | RJ_PAGE_IS_SWAPPED,
};

/* Who is told of it. */
struct teller {
	ramjet_memory_tell_fn *tell;
	void *context;
	uint64_t offset; /* of page 0 of the look */
	int answer;      /* not 0: enough */
};

static int tell_run(void *user, uint64_t first_page, uint64_t count,
		    RJ_UNUSED struct ramjet_error *err)
{
	struct teller *teller = user;
	const struct ramjet_memory_range range = {
		teller->offset + first_page * RAMJET_PAGE_BYTES,
		count * RAMJET_PAGE_BYTES,
	};

	teller->answer = teller->tell(teller->context, &range);
	return teller->answer ? -ECANCELED : 0;
}

/* A number may have become another process's, and a process may have become
 * another program: its pagemap then has no memory any more. */
static int is_same(const struct ramjet_process_memory *memory,
		   struct ramjet_error *err)
{
	const int rc = rj_pagemap_entries_alive(memory->pagemap_fd, NULL);

	return rc ? rj_process_gone(&memory->place, err) : 0;
}

static int scan(struct ramjet_process_memory *memory, uint64_t pages,
		struct teller *teller, struct ramjet_error *err)
{
	const uint8_t *there =
		(const uint8_t *)(uintptr_t)(memory->place.address +
					     teller->offset);
	struct rj_pagescan *scan = rj_scan_pool_take(&memory->scans, err);
	int rc;

	if (!scan)
		return -ENOMEM;
	rc = rj_pagescan_run(scan, &populated, there, pages, tell_run, teller,
			     err);
	rj_scan_pool_give(&memory->scans, scan);
	return rc;
}

static int look(struct ramjet_process_memory *memory, uint64_t pages,
		struct teller *teller, struct ramjet_error *err)
{
	struct ramjet_error why = { 0 };
	int rc;

	if (!atomic_load_explicit(&memory->no_scan, memory_order_relaxed)) {
		rc = scan(memory, pages, teller, &why);
		if (rc == -ESRCH)
			return rj_process_gone(&memory->place, err);
		if (rc != -EOPNOTSUPP)
			return rc && !teller->answer
				       ? rj_fail(err, rc, "%s", why.message)
				       : rc;
		/* Before Linux 6.7; nothing was told. */
		atomic_store_explicit(&memory->no_scan, true,
				      memory_order_relaxed);
	}
	return rj_pagemap_entries_run(memory->pagemap_fd,
				      memory->place.address + teller->offset,
				      pages, tell_run, teller, err);
}

static int process_populated(void *user,
			     const struct ramjet_memory_range *range,
			     ramjet_memory_tell_fn *tell, void *context,
			     struct ramjet_error *err)
{
	struct ramjet_process_memory *memory = user;
	struct teller teller = {
		.tell = tell,
		.context = context,
		.offset = range->offset,
	};
	const uint64_t end = range->offset + range->bytes;
	int rc = 0;

	if (!memory->knows_absent)
		return tell(context, range);
	while (!rc && teller.offset < end) {
		const uint64_t left = (end - teller.offset) / RAMJET_PAGE_BYTES;
		const uint64_t pages = left < LOOK_PAGES ? left : LOOK_PAGES;

		rc = look(memory, pages, &teller, err);
		teller.offset += pages * RAMJET_PAGE_BYTES;
	}
	if (teller.answer)
		return teller.answer;
	return rc ? rc : is_same(memory, err);
}

/* ---- content -------------------------------------------------------------- */

static int process_read(void *user, const struct ramjet_memory_range *ranges,
			size_t count, void *data, struct ramjet_error *err)
{
	const struct ramjet_process_memory *memory = user;
	const int rc =
		rj_process_read(&memory->place, ranges, count, data, err);

	return rc ? rc : is_same(memory, err);
}

static int process_write(void *user, const struct ramjet_memory_range *ranges,
			 size_t count, const void *data,
			 struct ramjet_error *err)
{
	const struct ramjet_process_memory *memory = user;
	const int rc = is_same(memory, err);

	return rc ? rc
		  : rj_process_write(&memory->place, ranges, count, data, err);
}

RAMJET_API const struct ramjet_memory_ops *ramjet_process_memory_ops(void)
{
	static const struct ramjet_memory_ops ops = {
		RAMJET_MEMORY_OPS_INIT,         .name = "process",
		.read = process_read,           .write = process_write,
		.populated = process_populated,
	};

	return &ops;
}

/* ---- its life ------------------------------------------------------------- */

static int check(const struct ramjet_process_memory_options *o,
		 struct ramjet_error *err)
{
	if (o->pid <= 0 && (o->mem_fd < 0 || o->pagemap_fd < 0))
		return rj_fail(err, -EINVAL,
			       "process memory: pid is %d, wanted a process, "
			       "or its mem and pagemap",
			       o->pid);
	if (!o->address || o->address % RAMJET_PAGE_BYTES)
		return rj_fail(err, -EINVAL,
			       "process memory: address %#llx, wanted a page's",
			       (unsigned long long)o->address);
	if (!o->bytes || o->bytes % RAMJET_PAGE_BYTES ||
	    o->bytes - 1 > UINT64_MAX - o->address)
		return rj_fail(err, -EINVAL,
			       "process memory: %llu bytes from %#llx on, "
			       "wanted whole pages",
			       (unsigned long long)o->bytes,
			       (unsigned long long)o->address);
	return 0;
}

static int open_pagemap(int pid, struct ramjet_error *err)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return rj_fail(err, -ESRCH, "%s: there is no such process",
			       path);
	if (errno == EACCES || errno == EPERM)
		return rj_fail(err, -EPERM,
			       "%s: not allowed, wanted the same user, or "
			       "CAP_SYS_PTRACE",
			       path);
	return rj_fail_errno(err, -errno, "%s", path);
}

static int duplicate(int fd, const char *what, struct ramjet_error *err)
{
	const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? rj_fail_errno(err, -errno, "process memory: %s", what)
			: copy;
}

static bool note_private(void *user, const struct rj_mapping *mapping)
{
	bool *knows_absent = user;

	*knows_absent &= mapping->anonymous && !mapping->shared;
	return true;
}

/* What kind of memory is it? Not to be allowed to look is no failure. */
static int look_at_mappings(struct ramjet_process_memory *memory,
			    struct ramjet_error *err)
{
	const uint64_t from = memory->place.address;
	int rc;

	memory->knows_absent = true;
	rc = memory->place.pid <= 0
		     ? -EACCES
		     : rj_mappings_of_process(
			       memory->place.pid, from, from + memory->bytes,
			       note_private, &memory->knows_absent);
	if (!rc)
		return rj_fail(err, -EFAULT,
			       "process %d: not all of the %llu bytes from "
			       "%#llx on are mapped there",
			       memory->place.pid,
			       (unsigned long long)memory->bytes,
			       (unsigned long long)from);
	memory->knows_absent &= rc > 0;
	return 0;
}

static int open_descriptors(struct ramjet_process_memory *memory,
			    const struct ramjet_process_memory_options *o,
			    struct ramjet_error *err)
{
	memory->pagemap_fd =
		o->pagemap_fd < 0 ? open_pagemap(o->pid, err)
				  : duplicate(o->pagemap_fd, "pagemap_fd", err);
	if (memory->pagemap_fd < 0)
		return memory->pagemap_fd;
	if (o->mem_fd >= 0) {
		memory->place.mem_fd = duplicate(o->mem_fd, "mem_fd", err);
		if (memory->place.mem_fd < 0)
			return memory->place.mem_fd;
	}
	return rj_scan_pool_open_at(&memory->scans, memory->pagemap_fd, err);
}

RAMJET_API int ramjet_process_memory_new(
	const struct ramjet_process_memory_options *options,
	struct ramjet_process_memory **ret, struct ramjet_error *err)
{
	struct ramjet_process_memory_options o = {
		RAMJET_PROCESS_MEMORY_OPTIONS_INIT
	};
	struct ramjet_process_memory *memory;
	int rc;

	rj_error_clear(err);
	rc = rj_options_copy("process memory", &o, sizeof(o), sizeof(o),
			     options, err);
	if (!rc)
		rc = check(&o, err);
	if (rc)
		return rc;
	memory = calloc(1, sizeof(*memory));
	if (!memory)
		return rj_fail(err, -ENOMEM, "process memory: out of memory");
	memory->place = (struct rj_process_place){ o.pid, -1, o.address };
	memory->bytes = o.bytes;
	memory->pagemap_fd = -1;
	rc = open_descriptors(memory, &o, err);
	if (!rc)
		rc = rj_process_try(&memory->place, err);
	if (!rc)
		rc = look_at_mappings(memory, err);
	if (rc) {
		ramjet_process_memory_free(memory);
		return rc;
	}
	*ret = memory;
	return 0;
}

RAMJET_API void ramjet_process_memory_free(struct ramjet_process_memory *memory)
{
	if (!memory)
		return;
	rj_scan_pool_close(&memory->scans);
	rj_close_fd(&memory->pagemap_fd);
	rj_close_fd(&memory->place.mem_fd);
	free(memory);
}
