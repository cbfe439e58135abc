/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_SIGPIPE_H
#define RJ_RINGIO_SIGPIPE_H
/*
 * Writing to a pipe nobody reads raises SIGPIPE, and unlike a socket a pipe
 * offers no flag against it. A library may not change the process's handlers,
 * so the calling thread holds the signal off around its writes and swallows
 * the one they raised.
 */
#include <signal.h>
#include <stdbool.h>

struct rj_sigpipe {
	sigset_t old_mask;
	bool was_pending;
};

void rj_sigpipe_hold(struct rj_sigpipe *hold);
/* Same thread as the hold. Keeps errno. */
void rj_sigpipe_release(const struct rj_sigpipe *hold);
#endif
