/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_BASE_CHILD_H
#define RJ_CLI_BASE_CHILD_H
/*
 * Another program, run for a while. It has a process group of its own, so
 * that a signal from the keyboard is this program's to act on, and gets
 * SIGTERM when the thread that started it ends.
 */
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

struct rj_cli_child {
	pid_t pid;     /* 0: none */
	int pidfd;     /* -1: none */
	int said_fd;   /* its standard output; -1: not listened to */
	int output_fd; /* a file of what else it printed */
};
#define RJ_CLI_CHILD_NONE                                   \
	{                                                   \
		.pidfd = -1, .said_fd = -1, .output_fd = -1 \
	}

/* This very program, as it was started. */
#define RJ_CLI_CHILD_SELF "/proc/self/exe"

struct rj_cli_child_order {
	const char *what; /* in errors: "target" */
	const char *program;
	char *const *argv;
	bool listen; /* to its standard output */
	int kept[2]; /* descriptors it gets, under the same numbers; or -1 */
};

/* On failure nothing is left to end. */
RJ_NODISCARD int rj_cli_child_start(const struct rj_cli_child_order *order,
				    struct rj_cli_child *ret,
				    struct ramjet_error *err);
/* The next line from `fd`, without its end; false: it ended before. Ends when
 * the child does. */
bool rj_cli_child_line(int fd, char *text, size_t bytes);
/* What is in its output_fd, as one line. */
void rj_cli_child_words(const struct rj_cli_child *child, char *text,
			size_t bytes);
/* Waits for its end, `patience_ms` at most; then it is ended. Returns its
 * exit status; 128 and more: a signal ended it. */
int rj_cli_child_reap(struct rj_cli_child *child, int patience_ms);
/* Ends it if it still runs, and closes all. */
void rj_cli_child_done(struct rj_cli_child *child);
#endif
