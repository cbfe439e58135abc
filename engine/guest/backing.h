/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GUEST_BACKING_H
#define RJ_ENGINE_GUEST_BACKING_H
/*
 * Memory of a block that is not there when it is wanted: its file was cut
 * short, its file system is full, the pool of huge pages is empty. Touching
 * such memory is a SIGBUS, which nobody in a library may catch; the kernel
 * says EFAULT. So what is about to be touched is looked at before, and what
 * the kernel could not touch is named. What goes bad in between is
 * engine/guest/sigbus.h's.
 */
#include <sys/uio.h>

#include "engine/guest/guest.h"
#include "util/compiler.h"

/* Note whether the block is a mapping of its file, as the two below want to
 * know. Reads /proc/self/maps. */
void rj_backing_note(struct rj_block *block);

/* Does the file reach as far as these pages? -EIO naming block and offset; 0
 * for memory that is no mapping of a file. One fstat(). Any thread. */
RJ_NODISCARD int rj_backing_check(const struct rj_block *block,
				  uint64_t first_page, uint64_t pages,
				  struct ramjet_error *err);

/* These pages of the block are going to be written, by this process itself:
 * have the kernel put memory there. 0, or as rj_backing_blame() says. Where the
 * kernel cannot (before 5.14), it is hoped for. Any thread. */
RJ_NODISCARD int rj_backing_populate(const struct rj_block *block,
				     const struct iovec *pages,
				     struct ramjet_error *err);

/* The kernel said EFAULT to these parts of the block (or others, which are
 * there), which it was to write: which page, and why. Tries each. Always an
 * error: -EIO, -ENOSPC, or -EFAULT
 * when nothing is found. */
RJ_NODISCARD int rj_backing_blame(const struct rj_block *block,
				  const struct iovec *parts, unsigned count,
				  struct ramjet_error *err);
/* The same of what it was to read; 0 when nothing is found. */
RJ_NODISCARD int rj_backing_blame_read(const struct rj_block *block,
				       const struct iovec *parts,
				       unsigned count,
				       struct ramjet_error *err);

/* The page at `offset` can't be had, as the kernel said by `error`, an errno:
 * why. Always an error, which names block and offset. */
RJ_NODISCARD int rj_backing_explain(const struct rj_block *block,
				    uint64_t offset, int error,
				    struct ramjet_error *err);
#endif
