/* SPDX-License-Identifier: BSD-3-Clause */
/* `ramjet helper` and `ramjet helpers` without the rest of the command, so
 * that these tests run wherever dbus/ builds. */
#include <stdio.h>
#include <string.h>

#include "cli/cmd_helper.h"

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "helper"))
		return cmd_helper(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "helpers"))
		return cmd_helpers(argc - 1, argv + 1);
	(void)fprintf(stderr, "usage: %s helper|helpers ...\n", argv[0]);
	return 2;
}
