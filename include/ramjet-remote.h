/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RAMJET_REMOTE_H
#define RAMJET_REMOTE_H
/*
 * For guests that run in another process: moved from outside, by an agent beside
 * their VMM (docs/attach.md). Their memory is mapped here where it is shared, and
 * reached by memory operations where it is not; what they write is tracked in
 * their own address space. The rules are ramjet.h's.
 */
#include "ramjet-dirty.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- memory that is not mapped here -------------------------------------- */

/* Bytes [offset, offset + bytes) of a block: whole pages. The struct stays as it
 * is for ever, so that arrays are plain. */
struct ramjet_memory_range {
	uint64_t offset;
	uint64_t bytes;
};

/* Not 0: tell no more, and return that. */
typedef int ramjet_memory_tell_fn(void *context,
				  const struct ramjet_memory_range *range);

/*
 * How the content of a block is reached (ramjet_block.memory, with `host` NULL).
 * All functions are called by several threads at once, with the block's
 * `memory_user` and stacks of 512 KiB, and return 0 or a negative errno (and fill
 * err, or its message alone). Ranges are in ascending order, never empty, inside
 * the block, and do not overlap. A block has `read` (a source, and `verify` at a
 * target) and `write` (a target); -EINVAL without.
 */
struct ramjet_memory_ops {
	size_t size;
	const char *name; /* "process", for reports; static */
	/* Copy the content of the ranges, one after another, to `data`, which is
	 * page-aligned. The guest may write meanwhile: what comes of that is sent
	 * again, so any mixture will do. What was never touched reads as zero,
	 * and need not be populated by it. */
	int (*read)(void *user, const struct ramjet_memory_range *ranges,
		    size_t count, void *data, struct ramjet_error *err);
	/* Make the ranges hold `data`, likewise. */
	int (*write)(void *user, const struct ramjet_memory_range *ranges,
		     size_t count, const void *data, struct ramjet_error *err);
	/* Optional. Tell every part of `range` that may hold anything but zeros,
	 * in ascending order: what is not told is neither read nor sent, nor
	 * cleared at a target. A page that is populated while this runs may be
	 * missed: its dirty source reports it. NULL: all of it. */
	int (*populated)(void *user, const struct ramjet_memory_range *range,
			 ramjet_memory_tell_fn *tell, void *context,
			 struct ramjet_error *err);
	/* Optional. Make the ranges read as zero. NULL: zeros are written where
	 * they are populated. */
	int (*clear)(void *user, const struct ramjet_memory_range *ranges,
		     size_t count, struct ramjet_error *err);
};
#define RAMJET_MEMORY_OPS_INIT .size = sizeof(struct ramjet_memory_ops)

/* ---- blocks that a target names when it has heard --------------------------- */

/* Forget all blocks. -EBUSY while a migration of the guest is not freed, but
 * inside its `accept`. Nobody tells of discards and marks meanwhile. */
int ramjet_guest_drop_blocks(struct ramjet_guest *guest,
			     struct ramjet_error *err);

/* Built in: memory of another process, by process_vm_readv() and
 * process_vm_writev(), or by reading and writing its /proc/PID/mem. */
struct ramjet_process_memory;

struct ramjet_process_memory_options {
	size_t size;
	int pid; /* with a right to ptrace it, unless both descriptors are given */
	/* Its /proc/PID/mem and /proc/PID/pagemap, *dup'd*; -1: the first is not
	 * used, the second opened here. */
	int mem_fd;
	int pagemap_fd;
	uint64_t address; /* of the block in that process; page-aligned */
	uint64_t bytes;
};
#define RAMJET_PROCESS_MEMORY_OPTIONS_INIT                              \
	.size = sizeof(struct ramjet_process_memory_options), .pid = 0, \
	.mem_fd = -1, .pagemap_fd = -1

/*
 * *ret is a block's `memory_user`, whose `memory` are
 * ramjet_process_memory_ops(); *returned*. Of private memory without a file only
 * what is populated there is read, and what was reported as written since: a page
 * that was discarded meanwhile then maps the zero page, which takes no memory but
 * page tables. Of other memory all is read, as absent pages may hold something, and
 * where /proc/PID/maps cannot be read, too. -EPERM: no right to it; -ESRCH: there
 * is no such process; -EFAULT: not all of it is mapped there.
 */
int ramjet_process_memory_new(
	const struct ramjet_process_memory_options *options,
	struct ramjet_process_memory **ret, struct ramjet_error *err);
/* Static. */
const struct ramjet_memory_ops *ramjet_process_memory_ops(void);
/* After ramjet_guest_free() of its guest. NULL ok. */
void ramjet_process_memory_free(struct ramjet_process_memory *memory);

/* ---- what another process writes ------------------------------------------ */

/* Where a process has (a part of) a block. */
struct ramjet_remote_range {
	size_t size;
	const char *block; /* copied */
	uint64_t offset;   /* in the block; page-aligned, as the others */
	uint64_t address;  /* in that process */
	uint64_t bytes;    /* 0: up to the end of the block */
};
#define RAMJET_REMOTE_RANGE_INIT .size = sizeof(struct ramjet_remote_range)

enum ramjet_remote_mode {
	/* Asynchronous where the kernel has it (Linux 6.7), else synchronous. */
	RAMJET_REMOTE_AUTO = 0,
	RAMJET_REMOTE_ASYNC,
	/* Each first write waits for a thread of ours (Linux 5.19). */
	RAMJET_REMOTE_SYNC,
};

/*
 * Built in: as ramjet_dirty_pagemap_new(), in the address space of another
 * process: writes through the page tables of that process, by itself and by the
 * kernel in its name. What it discards (MADV_DONTNEED, holes punched into a
 * file) is reported, too, once it was sent: nobody else tells. Pages that are in
 * no range are not tracked. A range that is unmapped, moved or mapped anew, or
 * whose process ends, fails the migration.
 * A process that has the same memory mapped, too, has page tables of its own: a
 * source each; several are OR-ed. Pages that were pinned before a collect, and
 * are written after it (O_DIRECT reads in flight), are seen by nobody:
 * docs/attach.md.
 */
struct ramjet_dirty_remote {
	size_t size;
	/* A userfaultfd that was made in that process, and no UFFDIO_API asked of
	 * it yet; *taken*. It should be the only descriptor of it: its last close
	 * ends all protection. */
	int userfaultfd;
	int pagemap_fd; /* its /proc/PID/pagemap; *dup'd* */
	/* For messages; and where its /proc/PID/maps may be read, it tells which
	 * memory is private and which is a block's `fd`. */
	int pid;
	uint32_t mode;                            /* enum ramjet_remote_mode */
	const struct ramjet_remote_range *ranges; /* copied */
	size_t range_count;
};
#define RAMJET_DIRTY_REMOTE_INIT                                       \
	.size = sizeof(struct ramjet_dirty_remote), .userfaultfd = -1, \
	.pagemap_fd = -1

/* -EOPNOTSUPP: the kernel cannot (before Linux 5.19). On failure `userfaultfd` is
 * still the caller's. Starting fails with -EBUSY where a range is registered with
 * a userfaultfd of the process's own (post-copy, a background snapshot). May be
 * started again once stopped: stopping unregisters all ranges, freeing closes the
 * descriptor. */
int ramjet_dirty_remote_new(const struct ramjet_dirty_remote *remote,
			    struct ramjet_dirty_source **ret,
			    struct ramjet_error *err);

/* ---- a log that another process keeps ------------------------------------- */

/* Which bits of a log are a block's: bit first_bit + i is page first_page + i, i
 * below page_count. */
struct ramjet_log_range {
	size_t size;
	const char *block; /* copied */
	uint64_t first_page;
	uint64_t page_count;
	uint64_t first_bit;
};
#define RAMJET_LOG_RANGE_INIT .size = sizeof(struct ramjet_log_range)

/*
 * Built in: a bitmap in shared memory that others set, in the format of
 * vhost-user's log: one bit a page of 4 KiB by guest-physical address, bit 0 of
 * byte 0 first, set by an atomic OR after the page was written. Bits are taken
 * out of it by atomic operations; those in no range are left alone. It is for the
 * VMM to have the log kept, from before the migration until the guest has stopped.
 */
struct ramjet_dirty_log {
	size_t size;
	int fd;          /* a memfd or file that is mapped here; *dup'd* */
	uint64_t offset; /* of the bits in it; a multiple of 8 */
	uint64_t bytes;
	const struct ramjet_log_range *ranges; /* copied */
	size_t range_count;
};
#define RAMJET_DIRTY_LOG_INIT .size = sizeof(struct ramjet_dirty_log), .fd = -1

/* No bit may be in two ranges. The file must stay as long as it is. */
int ramjet_dirty_log_new(const struct ramjet_dirty_log *log,
			 struct ramjet_dirty_source **ret,
			 struct ramjet_error *err);

/* All defaults, to be changed by assignment: see ramjet.h. */
void ramjet_memory_ops_init(struct ramjet_memory_ops *o, size_t size);
void ramjet_process_memory_options_init(struct ramjet_process_memory_options *o,
					size_t size);
void ramjet_remote_range_init(struct ramjet_remote_range *o, size_t size);
void ramjet_dirty_remote_init(struct ramjet_dirty_remote *o, size_t size);
void ramjet_log_range_init(struct ramjet_log_range *o, size_t size);
void ramjet_dirty_log_init(struct ramjet_dirty_log *o, size_t size);
#define ramjet_memory_ops_init(o) ramjet_memory_ops_init(o, sizeof *(o))
#define ramjet_process_memory_options_init(o) \
	ramjet_process_memory_options_init(o, sizeof *(o))
#define ramjet_remote_range_init(o) ramjet_remote_range_init(o, sizeof *(o))
#define ramjet_dirty_remote_init(o) ramjet_dirty_remote_init(o, sizeof *(o))
#define ramjet_log_range_init(o)    ramjet_log_range_init(o, sizeof *(o))
#define ramjet_dirty_log_init(o)    ramjet_dirty_log_init(o, sizeof *(o))

#ifdef __cplusplus
}
#endif
#endif
