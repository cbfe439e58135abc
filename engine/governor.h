/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GOVERNOR_H
#define RJ_ENGINE_GOVERNOR_H
/*
 * The bandwidth cap: when a frame may go.
 *
 * Goal      All channels together send at the cap: over any second because a
 *           gap is made up for, over any 100 ms because it is made up for
 *           slowly, and whichever channels have something to send.
 * Accounts  Frames are admitted in the order in which they were announced, one
 *           by one, each when all before it have been earned. Two accounts
 *           earn: one at the cap, saving 20 ms of rest; one at 1.05 times the
 *           cap, saving 2 ms. A frame waits for both. So no second sees more
 *           than 1.02 times the cap, no 100 ms more than 1.07 (and a frame).
 * Pace      How a frame's own bytes leave is the channel's (see
 *           rj_channel_set_rate()): at 1.25 times the whole cap, so that one
 *           channel can use it up when the others have nothing to send, and
 *           late frames can catch up.
 * Changes   A new cap holds for what is announced and not yet admitted, too.
 *
 * Times are the caller's (rj_now_ns() scale); any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/mutex.h"

struct rj_governor {
	/* The cap as others change it, bytes/s, 0: none; borrowed. Looked at
	 * with the lock held, so that nobody goes by one that is older. */
	const _Atomic uint64_t *wanted;
	struct rj_mutex lock; /* lock order: 11, innermost */
	/* guarded by lock; bytes, as fractions of them add up */
	double cap;  /* in force when last looked at */
	double mean; /* earned at the cap and not announced; below 0: owed */
	double peak; /* likewise, at slightly more */
	uint64_t announced; /* bytes, so far */
	uint64_t earned_ns; /* until when */
	unsigned waiting;
};

void rj_governor_init(struct rj_governor *g, const _Atomic uint64_t *wanted);
void rj_governor_done(struct rj_governor *g);

/* A frame of so many bytes is ready to go. Returns its place in the line;
 * rj_governor_admitted() must follow. */
uint64_t rj_governor_announce(struct rj_governor *g, uint64_t bytes,
			      uint64_t now_ns);
/* When the frame may go as things are: now_ns, if it may. */
uint64_t rj_governor_ready_ns(struct rj_governor *g, uint64_t place,
			      uint64_t now_ns);
/* The frame goes, or never will. */
void rj_governor_admitted(struct rj_governor *g);
/* All of these: returns when the frame may go. -ECANCELED when wake_fd is
 * readable first. */
RJ_NODISCARD int rj_governor_wait(struct rj_governor *g, uint64_t bytes,
				  int wake_fd);
/* Is a frame held back by the cap alone? */
bool rj_governor_holds(struct rj_governor *g);

/* What suits a cap: bytes in a frame (0: as many as it can hold), and bytes/s
 * on one channel (0: as fast as it goes). */
uint64_t rj_governor_frame_bytes(uint64_t cap);
uint64_t rj_governor_pace(uint64_t cap);
#endif
