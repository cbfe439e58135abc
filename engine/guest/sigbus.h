/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GUEST_SIGBUS_H
#define RJ_ENGINE_GUEST_SIGBUS_H
/*
 * Memory of a block that fails under a thread of ours while that reads or writes
 * it: its file is cut short, a page is broken, no huge page is left. The kernel
 * says so by a SIGBUS, to the VMM's handler, which asks ramjet_sigbus(). That lets
 * a thread inside a guard go on behind it, with an error. Without a handler, or
 * outside of a guard, it is as if there were none.
 *
 * One guard a claim, a frame, a chunk: it takes a system call.
 */
#include "dirty/bitmap.h"
#include "engine/guest/guest.h"
#include "util/compiler.h"

typedef int rj_sigbus_fn(void *user, struct ramjet_error *err);
struct rj_sigbus_guard;

/*
 * fn(user, err), which touches the block's memory where it is mapped. Its result;
 * or, where that memory fails, an error with block and offset, and `fn` was left
 * in the middle. So whenever it touches the memory, `fn` holds no lock and owns
 * nothing that only its own variables know of.
 */
RJ_NODISCARD int rj_sigbus_run(const struct rj_block *block, rj_sigbus_fn *fn,
			       void *user, struct ramjet_error *err);
/* The same of those of a chunk's pages, from `base` on, whose bits are set in
 * `words`: fn(user, ...) for each run of them, until it fails. */
typedef int rj_sigbus_pages_fn(void *user, uint64_t first, uint64_t count,
			       struct ramjet_error *err);
RJ_NODISCARD int rj_sigbus_run_chunk(const struct rj_block *block,
				     uint64_t base,
				     const uint64_t words[RJ_CHUNK_WORDS],
				     rj_sigbus_pages_fn *fn, void *user,
				     struct ramjet_error *err);
/* For a while inside `fn`: what others do there (a connection of the VMM's, a
 * callback) is not left in the middle. To be given back. */
RJ_NODISCARD struct rj_sigbus_guard *rj_sigbus_lift(void);
void rj_sigbus_lower(struct rj_sigbus_guard *guard);
#endif
