/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_GOVERNOR_H
#define RJ_ENGINE_SEND_GOVERNOR_H
/*
 * The bandwidth cap: when bytes may go, and how many.
 *
 * Goal      All channels together send at the cap: over any second because a
 *           gap is made up for, over any 100 ms because it is made up for
 *           slowly, and whichever channels have something to send.
 * Slices    A frame goes in slices of what the cap allows in 5 ms, and of at
 *           least 1 KiB: at caps that its size was made for, all at once.
 * Accounts  Slices are admitted in the order in which they were announced, one
 *           by one, each when all before it have been earned. Two accounts
 *           earn: one at the cap, saving 20 ms of rest; one at 1.05 times the
 *           cap, saving 2 ms. A slice waits for both. So no second sees more
 *           than 1.02 times the cap, no 100 ms more than 1.07 (and a slice).
 * Pace      How a slice's own bytes leave is the channel's (see
 *           rj_channel_set_rate()): at 1.25 times the whole cap, so that one
 *           channel can use it up when the others have nothing to send, and
 *           late ones can catch up. Low caps need none.
 * Changes   A new cap makes void what is announced and not yet admitted: it is
 *           cut and announced anew, so that what an old cap made of it, however
 *           low or high that was, is forgotten within milliseconds.
 *
 * Times are the caller's (rj_now_ns() scale); any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/mutex.h"

struct rj_governor {
	/* The cap that is wanted, bytes/s, 0: none; borrowed, and changed by
	 * others at any time. Read with the lock held, so that no thread uses
	 * an older value than another did before. */
	const _Atomic uint64_t *wanted;
	struct rj_mutex lock; /* lock order: 11, innermost */
	/* guarded by lock; bytes, as fractions of them add up */
	double cap;  /* in force when last looked at */
	double mean; /* earned at the cap and not announced; below 0: owed */
	double peak; /* likewise, at slightly more */
	uint64_t announced; /* bytes, so far */
	uint64_t voided;    /* places before this are of another cap */
	uint64_t earned_ns; /* until when */
	unsigned waiting;
};

void rj_governor_init(struct rj_governor *g, const _Atomic uint64_t *wanted);
void rj_governor_done(struct rj_governor *g);

/* So many bytes are ready to go: the slice of them that is announced is left
 * in *bytes. Returns its place in the line; rj_governor_admitted() must
 * follow. */
uint64_t rj_governor_announce(struct rj_governor *g, uint64_t *bytes,
			      uint64_t now_ns);
/* When the slice may go as things are: now_ns, if it may or is void. */
uint64_t rj_governor_ready_ns(struct rj_governor *g, uint64_t place,
			      uint64_t now_ns);
/* Has the cap changed since it was announced? Then announce it anew. */
bool rj_governor_is_void(struct rj_governor *g, uint64_t place,
			 uint64_t now_ns);
/* Leave the line: the slice is about to go, or was given up, or is void. */
void rj_governor_admitted(struct rj_governor *g);
/* All of these: returns when the first *bytes, at most as many as before, may
 * go. -ECANCELED when wake_fd is readable first. */
RJ_NODISCARD int rj_governor_wait(struct rj_governor *g, uint64_t *bytes,
				  int wake_fd);
/* Are bytes held back by the cap alone? */
bool rj_governor_holds(struct rj_governor *g);

/* What suits a cap: bytes in a frame (0: as many as it can hold), and bytes/s
 * on one channel (0: as fast as it goes). */
uint64_t rj_governor_frame_bytes(uint64_t cap);
uint64_t rj_governor_pace(uint64_t cap);
#endif
