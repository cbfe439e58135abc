/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_LINK_KEEPER_H
#define RJ_ENGINE_LINK_LINK_KEEPER_H
/*
 * A thread that reads a control link while its owner may be busy for long, in
 * a callback of the VMM, say: it answers PING at once, and keeps all else for
 * the owner, in order, the end of the connection too. The owner goes on with
 * the same calls as before.
 */
#include <pthread.h>
#include <stdbool.h>

#include "engine/link/link.h"

struct rj_link_keeper {
	struct rj_link *link;  /* the owner's; to answer through */
	struct rj_link reader; /* the thread's alone */
	struct rj_mailbox kept;
	int stop_fd;
	pthread_t thread;
	bool started;
};

/* Read `link`, from what its owner has read so far on. `event_fd` is signalled
 * for the owner; no more than `bytes_max` wait for it, then the peer does. On
 * failure the owner reads on as before. */
RJ_NODISCARD int rj_link_keeper_start(struct rj_link_keeper *keeper,
				      struct rj_link *link, int event_fd,
				      uint64_t bytes_max,
				      struct ramjet_error *err);
/* Join it; what it has kept can still be taken. Safe when not started. */
void rj_link_keeper_stop(struct rj_link_keeper *keeper);
/* After the link itself is done. Safe on a zeroed struct. */
void rj_link_keeper_done(struct rj_link_keeper *keeper);
#endif
