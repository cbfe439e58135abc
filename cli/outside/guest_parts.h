/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OUTSIDE_GUEST_PARTS_H
#define RJ_CLI_OUTSIDE_GUEST_PARTS_H
/* What a qemu: guest (guest.h) is made of, on either side. */
#include "cli/attach/tracking.h"
#include "cli/guardian/guardian.h"
#include "cli/guardian/slow.h"
#include "cli/guest/guest.h"
#include "cli/outside/parts.h"
#include "cli/qemu/pinned.h"
#include "cli/qemu/settings.h"
#include "cli/qemu/state.h"
#include "util/mutex.h"

struct rj_qemu_guest {
	struct rj_cli_guest base;
	/* immutable after create */
	enum rj_cli_role role;
	struct rj_cli_guest_spec spec;
	pid_t pid;
	struct rj_guardian *guardian;
	char notice[700]; /* what an earlier ramjet has left; "": nothing */
	/* immutable after attach */
	struct ramjet_guest *handle; /* borrowed */
	struct rj_slow *slow;        /* source; NULL: no way was found */
	struct ramjet_error no_slow; /* why not */
	struct rj_pinned *pinned;    /* source */

	/* Calls of the monitor come from the engine's control thread, from
	 * that of slow, and from the command's own. Taken after slow's. */
	struct rj_mutex lock;
	/* guarded by lock */
	struct rj_qemu qemu;
	struct rj_attach_process process;
	struct rj_attach_process *also; /* source */
	size_t also_count;
	struct rj_qemu_blocks blocks;    /* source: as they were at first */
	struct rj_qemu_parts parts;      /* of these */
	struct rj_attach_memory *memory; /* as ramjet has its blocks */
	size_t memory_count;
	/* We have said `stop`, and not `cont` since. */
	bool stopped;
	/* Source: `stop` was said for a moment, and its `cont` has not been heard. */
	bool napping;
	bool unplugged; /* source: a device was, since it was described */
	/* Source: it stood still by itself when it was to be stopped. */
	bool left_alone;
	/* Source: it has been saved, or may have been, and not gone on since. */
	bool gave_images_up;
	/* Source: it was let go on by somebody although it had been handed over. */
	bool ran_twice;
	/* Source: somebody else had paused it when we looked last. */
	bool found_paused;
	/* slow is on hold: by whoever stops and starts, one at a time */
	bool held;
	struct rj_qemu_saver saver; /* source */
	struct rj_qemu_loader loader;
	enum rj_qemu_way way;             /* source */
	struct rj_qemu_settings settings; /* what was changed */
	bool has_state; /* target: it was loaded, or was to be */
	size_t unread; /* processes that may share its memory, for all we know */
};

static inline struct rj_qemu_guest *rj_qemu_guest_of(void *user)
{
	return rj_container_of((struct rj_cli_guest *)user,
			       struct rj_qemu_guest, base);
}

/* The blocks of `memory` are closed and forgotten. */
void rj_qemu_guest_drop_memory(struct rj_qemu_guest *guest);
/* Whose monitor it is: fills in `pid`. */
RJ_NODISCARD int rj_qemu_guest_find_pid(struct rj_qemu_guest *guest,
					struct ramjet_error *err);
/* Where its blocks lie now, with what may be known of them. */
RJ_NODISCARD int rj_qemu_guest_look(struct rj_qemu_guest *guest,
				    struct rj_qemu_blocks *ret,
				    struct ramjet_error *err);
/* Of the events that have come: what must be known later; they are forgotten.
 * Under guest->lock. */
void rj_qemu_guest_note_events(struct rj_qemu_guest *guest);
#endif
