/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/bus_handler.h"

#include "ramjet.h"

sigjmp_buf bus_handler_back;
volatile sig_atomic_t bus_handler_own;
_Atomic unsigned bus_handler_asked;

static void on_bus(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	atomic_fetch_add(&bus_handler_asked, 1);
	if (ramjet_sigbus(info))
		return;
	bus_handler_own++;
	/* What is sent is taken; a fault of the test's own is got over. */
	if (info->si_code > 0)
		siglongjmp(bus_handler_back, 1);
}

void bus_handler_install(void)
{
	struct sigaction action = { .sa_sigaction = on_bus,
				    .sa_flags = SA_SIGINFO };

	bus_handler_own = 0;
	atomic_store(&bus_handler_asked, 0);
	(void)sigaction(SIGBUS, &action, NULL);
}
