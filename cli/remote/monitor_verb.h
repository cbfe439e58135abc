/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_REMOTE_MONITOR_VERB_H
#define RJ_CLI_REMOTE_MONITOR_VERB_H
/* What the subcommands that talk to a monitor have in common: a few words
 * first, the monitor's address last. */
#include <stdbool.h>

#include "cli/qmp/caller.h"

struct rj_cli_verb {
	const char *name;
	const char *usage; /* what follows the name */
	const char *about;
	bool takes_words; /* before the address, at least one */
	bool takes_json;  /* --json */
};

struct rj_cli_verb_line {
	char **words; /* borrowed from argv */
	int word_count;
	bool json;
	const char *path; /* of the monitor */
	struct rj_qmp_caller caller;
};

/* Each -1: go on; else the exit status, all said. */
int rj_cli_verb_parse(const struct rj_cli_verb *verb, int argc, char **argv,
		      struct rj_cli_verb_line *ret);
int rj_cli_verb_connect(const struct rj_cli_verb *verb,
			struct rj_cli_verb_line *line);
/* Both. */
int rj_cli_verb_begin(const struct rj_cli_verb *verb, int argc, char **argv,
		      struct rj_cli_verb_line *ret);
/* Wrong usage: say it. The exit status. */
int rj_cli_verb_refuse(const struct rj_cli_verb *verb,
		       const struct ramjet_error *err);
/* Say `err` if rc is negative, disconnect. The exit status. */
int rj_cli_verb_end(const struct rj_cli_verb *verb,
		    struct rj_cli_verb_line *line, int rc,
		    const struct ramjet_error *err);
#endif
