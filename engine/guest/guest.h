/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GUEST_GUEST_H
#define RJ_ENGINE_GUEST_GUEST_H
/* The guest: its blocks, dirty sources, blockers and notifiers. */
#include <errno.h>

#include "engine/guest/blocker.h"
#include "engine/guest/hearing.h"
#include "engine/guest/memory.h"
#include "engine/guest/notifier.h"
#include "engine/stats/state_costs.h"
#include "engine/wire/wire.h"
#include "ramjet-helper.h"
#include "ramjet-remote.h"
#include "util/mutex.h"

struct rj_node_view;

struct rj_block {
	char name[RJ_BLOCK_NAME_MAX + 1];
	uint8_t *host;
	uint64_t bytes;
	uint64_t page_count;
	uint32_t page_bytes;
	int fd; /* borrowed, -1: none */
	uint64_t fd_offset;
	uint32_t kind;
	uint32_t flags;
	unsigned index; /* in its guest */
	bool is_file; /* a shared mapping of fd: noted when a session begins */
	const struct rj_memory_ops *memory; /* NULL: by the next, or mapped */
	/* The VMM's operations; NULL: mapped, at `host`. */
	const struct ramjet_memory_ops *foreign;
	void *foreign_user;
};

static inline bool rj_block_holds(const struct rj_block *block, const void *at)
{
	return block->host && (const uint8_t *)at >= block->host &&
	       (const uint8_t *)at < block->host + block->bytes;
}

struct ramjet_guest {
	/* immutable after ramjet_guest_new() */
	struct ramjet_guest_ops ops;
	void *user;

	struct rj_mutex lock; /* lock order: 2, after a migration's */
	/* guarded by lock; blocks and sources do not change while busy */
	struct rj_block *blocks;
	unsigned block_count;
	struct ramjet_dirty_source **sources;
	unsigned source_count;
	struct rj_blockers blockers;
	bool has_helpers;
	struct ramjet_helper_options helpers; /* strings owned */
	bool busy;                            /* a migration is under way */
	bool naming;      /* blocks may change all the same: inside accept */
	unsigned handles; /* migrations that are not freed, over or not */
	struct rj_state_costs costs; /* of earlier tries */
	/* by its owner: ramjet does not start it */
	bool paused;
	/* COMMIT has told the target: `paused` no longer changes */
	bool paused_told;

	/* NULL: this machine's NUMA nodes. Set by tests before migrating. */
	const struct rj_node_view *nodes;

	struct rj_notifiers notifiers; /* locks itself */

	/* no lock; changed by who holds the lock, or has the guest */
	struct rj_hearing hearing;
};

/* ---- life.c ---- */

/* Take the guest for a migration: -EBUSY while another one has it, -EINVAL
 * without blocks, but for a target whose VMM names them later. */
RJ_NODISCARD int rj_guest_acquire(struct ramjet_guest *guest, bool is_source,
				  struct ramjet_error *err);
/* Its VMM may, or may not any more, change the blocks of a guest that is taken. */
void rj_guest_open_blocks(struct ramjet_guest *guest, bool open);
/* Can its memory be moved away from here, or to here? -EINVAL: a block lacks the
 * operation for it. */
RJ_NODISCARD int rj_guest_check_memory(struct ramjet_guest *guest,
				       bool outgoing, struct ramjet_error *err);
/* It is over. */
void rj_guest_release(struct ramjet_guest *guest);
/* Its handle is freed: the last use of the guest. */
void rj_guest_forget(struct ramjet_guest *guest);

/* ---- pausing.c ---- */

/* Source, for COMMIT: is it paused? From now on that does not change. */
bool rj_guest_settle_paused(struct ramjet_guest *guest);
/* Target: it was paused on the source, so it is here. */
void rj_guest_arrive_paused(struct ramjet_guest *guest);

/* ---- marks.c ---- */

/* From now on `listener` hears of marks and discards (NULL: nobody). */
void rj_guest_listen(struct ramjet_guest *guest,
		     const struct rj_page_listener *listener, void *user);
/* The point of no return: from now on marks and discards are refused. -EBUSY
 * when there is something left to send. */
RJ_NODISCARD int rj_guest_seal(struct ramjet_guest *guest,
			       struct ramjet_error *err);
/* It runs on here after all. */
void rj_guest_unseal(struct ramjet_guest *guest);
#endif
