/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_SIGPIPE_H
#define RJ_RINGIO_SIGPIPE_H
/*
 * Writing to a pipe nobody reads raises SIGPIPE, and unlike a socket a pipe
 * offers no flag against it; writing past the limit of a file's size raises
 * SIGXFSZ. A library may not change the process's handlers, so the calling
 * thread holds both signals off around its writes and swallows what they
 * raised: EPIPE and EFBIG say the same.
 */
#include <signal.h>
#include <stdbool.h>

struct rj_sigpipe {
	sigset_t old_mask;
	bool pipe_was_pending, size_was_pending;
};

void rj_sigpipe_hold(struct rj_sigpipe *hold);
/* Same thread as the hold. Keeps errno. */
void rj_sigpipe_release(const struct rj_sigpipe *hold);
#endif
