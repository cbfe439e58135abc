/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/thread.h"

#include <signal.h>

int rj_thread_start(pthread_t *ret, const char *name, void *(*run)(void *),
		    void *argument)
{
	sigset_t all, before;
	int rc;

	(void)sigfillset(&all);
	/* A new thread inherits the mask of its maker. */
	rc = pthread_sigmask(SIG_BLOCK, &all, &before);
	if (rc)
		return -rc;
	rc = pthread_create(ret, NULL, run, argument);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return -rc;
	(void)pthread_setname_np(*ret, name);
	return 0;
}
