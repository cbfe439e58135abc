/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/remote/monitor_verb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/base/exit_status.h"
#include "cli/base/terminal.h"
#include "cli/qmp/listen.h"
#include "util/error.h"

static void print_help(const struct rj_cli_verb *verb)
{
	(void)printf("usage: ramjet %s %s\n\n%s\n\n", verb->name, verb->usage,
		     verb->about);
	(void)printf("MONITOR  unix:PATH, as given to --monitor of 'ramjet "
		     "send', 'recv' or 'demo'\n");
}

int rj_cli_verb_refuse(const struct rj_cli_verb *verb,
		       const struct ramjet_error *err)
{
	rj_cli_say(stderr, "ramjet %s: %s; see 'ramjet %s --help'", verb->name,
		   err->message, verb->name);
	return RJ_CLI_EXIT_USAGE;
}

/* Words of options are taken out; true when help was asked for. */
static int take_options(const struct rj_cli_verb *verb, int *argc, char **argv,
			struct rj_cli_verb_line *line, bool *ret_help,
			struct ramjet_error *err)
{
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			*ret_help = true;
		else if (verb->takes_json && !strcmp(argv[i], "--json"))
			line->json = true;
		else if (argv[i][0] == '-')
			return rj_fail(err, -EINVAL,
				       "%s: unknown option, wanted %s--help",
				       argv[i],
				       verb->takes_json ? "--json or " : "");
		else
			argv[kept++] = argv[i];
	}
	*argc = kept;
	return 0;
}

static int check_words(const struct rj_cli_verb *verb, int argc,
		       struct ramjet_error *err)
{
	int wanted = verb->takes_words ? 3 : 2;

	if (argc < wanted || (!verb->takes_words && argc > wanted))
		return rj_fail(err, -EINVAL, "wanted: ramjet %s %s", verb->name,
			       verb->usage);
	return 0;
}

int rj_cli_verb_parse(const struct rj_cli_verb *verb, int argc, char **argv,
		      struct rj_cli_verb_line *ret)
{
	struct ramjet_error error = { 0 };
	bool help = false;

	*ret = (struct rj_cli_verb_line){ .words = argv + 1,
					  .caller = RJ_QMP_CALLER_NONE };
	if (take_options(verb, &argc, argv, ret, &help, &error))
		return rj_cli_verb_refuse(verb, &error);
	if (help) {
		print_help(verb);
		return RJ_CLI_EXIT_COMPLETED;
	}
	if (check_words(verb, argc, &error))
		return rj_cli_verb_refuse(verb, &error);
	ret->word_count = argc - 2;
	ret->path = rj_qmp_path(argv[argc - 1]);
	if (!ret->path) {
		(void)rj_fail(&error, -EINVAL, "'%s', wanted unix:PATH",
			      argv[argc - 1]);
		return rj_cli_verb_refuse(verb, &error);
	}
	return -1;
}

int rj_cli_verb_connect(const struct rj_cli_verb *verb,
			struct rj_cli_verb_line *line)
{
	struct ramjet_error error = { 0 };

	if (rj_qmp_caller_open(line->path, &line->caller, &error))
		return rj_cli_verb_end(verb, line, error.code, &error);
	return -1;
}

int rj_cli_verb_begin(const struct rj_cli_verb *verb, int argc, char **argv,
		      struct rj_cli_verb_line *ret)
{
	int status = rj_cli_verb_parse(verb, argc, argv, ret);

	return status >= 0 ? status : rj_cli_verb_connect(verb, ret);
}

int rj_cli_verb_end(const struct rj_cli_verb *verb,
		    struct rj_cli_verb_line *line, int rc,
		    const struct ramjet_error *err)
{
	rj_qmp_caller_close(&line->caller);
	if (rc >= 0)
		return RJ_CLI_EXIT_COMPLETED;
	rj_cli_say(stderr, "ramjet %s: %s", verb->name, err->message);
	return RJ_CLI_EXIT_FAILED;
}
