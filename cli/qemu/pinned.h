/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_PINNED_H
#define RJ_CLI_QEMU_PINNED_H
/*
 * Writes that no write protection of a QEMU's memory sees: the host's kernel
 * writes through pages that it pinned before they were protected again. Reads
 * with O_DIRECT do that, whichever bus and aio= they come by.
 *
 * A dirty source that marks nothing, and settles: after each collect, before a
 * page that was found written is read, it has QEMU's block layer drained, so
 * that all reads have ended that were under way while pages were protected. The
 * argument is in the library (dirty/source.h); it needs no look into the
 * guest's rings, and the guest runs on. Where draining isn't to be had, the
 * guest stands still for a moment instead, which drains as well.
 *
 * Disks that are plugged in or reopened meanwhile are seen: QEMU is asked about
 * them each time. docs/attach.md has what each way costs.
 */
#include "cli/qemu/pinned_look.h"
#include "ramjet-dirty.h"

struct rj_pinned;

struct rj_pinned_order {
	/* As rj_qmp_caller_call(). Must wait for as long as a disk may take. */
	int (*call)(void *user, const char *command, json_t *arguments,
		    json_t **ret, struct ramjet_error *err);
	/* `stop`, then `cont`; a guest that stands still anyway stays so. */
	int (*quiet)(void *user, struct ramjet_error *err);
	void *user;
	bool no_drain; /* always quiet, where anything is to be done */
};

struct rj_pinned_figures {
	uint64_t count; /* how often it was waited */
	uint64_t us, us_most;
};

/* -EOPNOTSUPP, naming the device, where writes can't be waited for. Calls come
 * from the thread of new, and later from the engine's control thread. */
RJ_NODISCARD int rj_pinned_new(const struct rj_pinned_order *order,
			       struct rj_pinned **ret,
			       struct ramjet_error *err);
/* The source, *returned*; borrows `pinned`. To be added whatever the way is:
 * it may become another. */
RJ_NODISCARD int rj_pinned_source(struct rj_pinned *pinned,
				  struct ramjet_dirty_source **ret,
				  struct ramjet_error *err);
/* As it was found last. */
enum rj_pinned_way rj_pinned_found(const struct rj_pinned *pinned);
/* For people: who, and what is done about it. "": nothing. */
const char *rj_pinned_words(const struct rj_pinned *pinned);
struct rj_pinned_figures rj_pinned_figures(const struct rj_pinned *pinned);
/* After the source. NULL ok. */
void rj_pinned_free(struct rj_pinned *pinned);
#endif
