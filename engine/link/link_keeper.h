/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_LINK_KEEPER_H
#define RJ_ENGINE_LINK_LINK_KEEPER_H
/*
 * A thread that reads a control link while its owner may be busy for long, in
 * a callback of the VMM, say: it answers PING at once, and keeps all else for
 * the owner, in order, the end of the connection too. The owner goes on with
 * the same calls as before. Where there is a way to make the connection anew, it
 * does that as well, and tells the other side what it has heard.
 */
#include <pthread.h>
#include <stdbool.h>

#include "engine/link/link.h"
#include "engine/link/link_return.h"

struct rj_link_keeper {
	struct rj_link *link;  /* the owner's; to answer through */
	struct rj_link reader; /* the thread's alone */
	struct rj_mailbox kept;
	int stop_fd;
	const struct rj_link_way *way; /* borrowed; NULL: none */
	uint64_t told;         /* frames of which the other side was told */
	uint64_t untold_bytes; /* that came since */
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
/* Before that: what is said is kept in `resume`, and a connection that is lost
 * made anew by `way`, if there is one. Both borrowed until the keeper is stopped. */
void rj_link_keeper_may_return(struct rj_link_keeper *keeper,
			       struct rj_link *link, struct rj_resume *resume,
			       const struct rj_link_way *way);
/* Join it; what it has kept can still be taken. Safe when not started. */
void rj_link_keeper_stop(struct rj_link_keeper *keeper);
/* After the link itself is done. Safe on a zeroed struct. */
void rj_link_keeper_done(struct rj_link_keeper *keeper);
#endif
