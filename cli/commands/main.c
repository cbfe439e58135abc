/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>

#include "cli/commands/dispatch.h"

int main(int argc, char **argv)
{
	/* SIGCHLD may be ignored by inheritance: then our own children could
	 * not be waited for. */
	(void)signal(SIGCHLD, SIG_DFL);
	return rj_cli_main(argc, argv);
}
