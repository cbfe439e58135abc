/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>

#include "cli/commands/dispatch.h"

int main(int argc, char **argv)
{
	/* Whoever started us may have ignored it: then no child of ours could
	 * be waited for. */
	(void)signal(SIGCHLD, SIG_DFL);
	return rj_cli_main(argc, argv);
}
