/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/sigpipe.h"

#include <errno.h>
#include <time.h>

static sigset_t only(int signal)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, signal);
	return set;
}

static bool is_pending(int signal)
{
	sigset_t pending;

	(void)sigemptyset(&pending);
	(void)sigpending(&pending);
	return sigismember(&pending, signal) == 1;
}

void rj_sigpipe_hold(struct rj_sigpipe *hold)
{
	sigset_t set = only(SIGPIPE);

	(void)sigaddset(&set, SIGXFSZ);
	hold->pipe_was_pending = is_pending(SIGPIPE);
	hold->size_was_pending = is_pending(SIGXFSZ);
	(void)pthread_sigmask(SIG_BLOCK, &set, &hold->old_mask);
}

/* A signal that was pending before is not ours to swallow. */
static void swallow(int signal, bool was_pending)
{
	const struct timespec at_once = { 0 };
	const sigset_t set = only(signal);

	if (!was_pending && is_pending(signal))
		(void)sigtimedwait(&set, NULL, &at_once);
}

void rj_sigpipe_release(const struct rj_sigpipe *hold)
{
	int saved = errno;

	swallow(SIGPIPE, hold->pipe_was_pending);
	swallow(SIGXFSZ, hold->size_was_pending);
	(void)pthread_sigmask(SIG_SETMASK, &hold->old_mask, NULL);
	errno = saved;
}
