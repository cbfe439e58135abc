/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/signals.h"

#include <signal.h>

static volatile sig_atomic_t cancel_signal;
static volatile sig_atomic_t switchover_asked;

static void on_cancel(int number)
{
	cancel_signal = number;
}

static void on_switchover(int number)
{
	(void)number;
	switchover_asked = 1;
}

void rj_cli_signals_install(void)
{
	struct sigaction action = { .sa_handler = on_cancel,
				    .sa_flags =
					    SA_RESTART | (int)SA_RESETHAND };

	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	action.sa_handler = on_switchover;
	action.sa_flags = SA_RESTART;
	(void)sigaction(SIGUSR1, &action, NULL);
	action.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &action, NULL);
}

int rj_cli_signals_cancel(void)
{
	return cancel_signal;
}

bool rj_cli_signals_take_switchover(void)
{
	bool asked = switchover_asked;

	if (asked)
		switchover_asked = 0;
	return asked;
}
