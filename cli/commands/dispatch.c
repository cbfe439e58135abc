/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/commands/dispatch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/exit_status.h"
#include "cli/base/signals.h"
#include "cli/base/terminal.h"
#include "cli/build.h"
#include "cli/commands/command.h"
#include "cli/guardian/watch.h"
#include "ramjet.h"
#include "util/compiler.h"

static int help(int argc, char **argv);
static int version(int argc, char **argv);

/* clang-format off */
static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
} commands[] = {
	{ "demo", rj_cli_demo,
	  "a guest under load moves on this machine, and is verified" },
	{ "send", rj_cli_send, "move a guest, or a RAM image, to a target" },
	{ "recv", rj_cli_recv, "wait for a guest, and run it" },
	{ "info", rj_cli_info, "how a migration with --monitor stands" },
	{ "watch", rj_cli_watch, "see it go, until it ends" },
	{ "set", rj_cli_set, "change its bandwidth, its downtime limit, ..." },
	{ "cancel", rj_cli_cancel, "give it up; the source's guest runs on" },
	{ "switchover", rj_cli_switchover, "let it switch over, if it holds" },
	{ "helpers", rj_cli_helpers,
	  "list helpers on a bus, save or load their state by hand" },
	{ "helper", rj_cli_helper, "be a helper whose state is a file" },
	{ "features", rj_cli_features,
	  "what this kernel and this build offer" },
	{ "help", help, "this list, or what COMMAND's own --help says" },
	{ "version", version, "which ramjet this is" },
};
/* clang-format on */

static void print_usage(FILE *out)
{
	(void)fprintf(out, "usage: ramjet COMMAND ...\n\n"
			   "Moves the memory of running virtual machines, "
			   "fast, with a short pause.\n\n");
	for (size_t i = 0; i < RJ_ARRAY_SIZE(commands); i++)
		(void)fprintf(out, "  %-10s %s\n", commands[i].name,
			      commands[i].about);
	(void)fprintf(out, "\nFor a start: ramjet demo\n");
}

static int version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	(void)printf(*RJ_CLI_BUILD_ID ? "ramjet %s (%s)\n" : "ramjet %s\n",
		     ramjet_version(), RJ_CLI_BUILD_ID);
	return RJ_CLI_EXIT_COMPLETED;
}

static int run_command(const char *name, int argc, char **argv)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return commands[i].run(argc, argv);
	rj_cli_say(stderr, "ramjet: '%s' is not a command, see 'ramjet help'",
		   name);
	return RJ_CLI_EXIT_USAGE;
}

static bool has_own_help(const char *name)
{
	return strcmp(name, "help") != 0 && strcmp(name, "version") != 0;
}

/* `help COMMAND` prints what COMMAND --help does. */
static int help(int argc, char **argv)
{
	char option[] = "--help";
	char *words[] = { argc > 1 ? argv[1] : NULL, option, NULL };

	if (argc > 2) {
		rj_cli_say(stderr,
			   "ramjet: '%s': help of one command at a time, see "
			   "'ramjet help'",
			   argv[2]);
		return RJ_CLI_EXIT_USAGE;
	}
	if (words[0] && has_own_help(words[0]))
		return run_command(words[0], 2, words);
	print_usage(stdout);
	return RJ_CLI_EXIT_COMPLETED;
}

/* Fail if standard output could not be written. Not for a session: its status
 * is that of the migration. */
static int say_all(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	(void)fprintf(stderr, "ramjet: standard output: %s\n", strerror(errno));
	clearerr(stdout);
	return status ? status : RJ_CLI_EXIT_FAILED;
}

/* A file opened in the place of a closed standard stream would get our words.
 * What stands there instead cannot be used either. */
static void fill_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null",
				    fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int rj_cli_main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (rj_guardian_is_meant(argc, argv))
		return rj_guardian_main();
	fill_streams();
	rj_cli_signals_begin();
	if (!name) {
		print_usage(stderr);
		return RJ_CLI_EXIT_USAGE;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	if (!strcmp(name, "--version"))
		name = "version";
	return say_all(run_command(name, argc - 1, argv + 1));
}
