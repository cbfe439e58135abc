/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/base/bad_memory.h"

#include <signal.h>

#include "ramjet.h"

/* The usual, or a sanitizer's. */
static struct sigaction before;

static void on_bus(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (ramjet_sigbus(info))
		return;
	/* A fault comes again as soon as this returns; what was sent does not. */
	(void)sigaction(number, &before, NULL);
	if (info->si_code <= 0)
		(void)raise(number);
}

void rj_cli_bad_memory_handle(void)
{
	struct sigaction action = { .sa_sigaction = on_bus,
				    .sa_flags = SA_SIGINFO };

	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGBUS, &action, &before);
}
