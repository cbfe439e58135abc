/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/sigpipe.h"

#include <errno.h>
#include <time.h>

static sigset_t only_sigpipe(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGPIPE);
	return set;
}

static bool is_pending(void)
{
	sigset_t pending;

	(void)sigemptyset(&pending);
	(void)sigpending(&pending);
	return sigismember(&pending, SIGPIPE) == 1;
}

void rj_sigpipe_hold(struct rj_sigpipe *hold)
{
	sigset_t set = only_sigpipe();

	hold->was_pending = is_pending();
	(void)pthread_sigmask(SIG_BLOCK, &set, &hold->old_mask);
}

void rj_sigpipe_release(const struct rj_sigpipe *hold)
{
	const struct timespec at_once = { 0 };
	sigset_t set = only_sigpipe();
	int saved = errno;

	/* One that was pending before is somebody else's. */
	if (!hold->was_pending && is_pending())
		(void)sigtimedwait(&set, NULL, &at_once);
	(void)pthread_sigmask(SIG_SETMASK, &hold->old_mask, NULL);
	errno = saved;
}
