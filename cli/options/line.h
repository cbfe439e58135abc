/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OPTIONS_LINE_H
#define RJ_CLI_OPTIONS_LINE_H
/* What a command line said, once it is understood. */
#include "cli/guest/spec.h"
#include "ramjet-helper.h"

enum rj_cli_progress_style {
	RJ_CLI_PROGRESS_AUTO = 0, /* bar on a terminal, else plain */
	RJ_CLI_PROGRESS_BAR,
	RJ_CLI_PROGRESS_PLAIN,
	RJ_CLI_PROGRESS_NONE,
};

/* Which subcommands an option belongs to. */
enum rj_cli_command_bit {
	RJ_CLI_DEMO = 1,
	RJ_CLI_SEND = 2,
	RJ_CLI_RECV = 4,
	RJ_CLI_FEATURES = 8,
};

struct rj_cli_command_line {
	unsigned command; /* enum rj_cli_command_bit */
	bool help;        /* asked for: print it, and leave */
	bool has_guest;
	struct rj_cli_guest_spec guest;
	/* --to or --from; borrowed from argv; NULL: the monitor will say. */
	const char *uri;
	bool defer; /* the monitor will say it */
	struct ramjet_params params;
	const char *cpus;    /* as typed; NULL: any */
	uint64_t timeout_us; /* 0: none */
	uint64_t run_us;     /* target: how long the guest runs on */
	const char *helpers; /* bus address; borrowed from argv, or NULL */
	const char *id_list; /* as that */
	int64_t helper_uid;  /* -1: any */
	/* Limits and timeouts of these; its address and list are not set. */
	struct ramjet_helper_options helper_limits;
	const char *helper_limit; /* the last option that set one, or NULL */
	bool no_helpers;          /* demo */
	const char *monitor;      /* socket path; borrowed from argv, or NULL */
	const char *json;         /* borrowed from argv; may be NULL */
	enum rj_cli_progress_style progress;
	int log_level; /* enum rj_log_level */
	int ready_fd;  /* -1: none */
	/* A guest of somebody else's ends here once it runs elsewhere. */
	bool quit_source;
};
#endif
