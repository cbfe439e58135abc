/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_REPORT_PROGRESS_H
#define RJ_CLI_REPORT_PROGRESS_H
/*
 * A migration as it goes, for people. On a terminal a live line, and a line
 * that stays for each round; otherwise a plain line a second at most. Owns
 * its stream while it lives: other lines go through _note, so that they don't
 * run into the live one. Thread safe.
 *
 * Nobody waits here for a reader: see cli/base/outlet.h.
 */
#include <stdio.h>

#include "cli/base/outlet.h"
#include "cli/options/line.h"
#include "util/mutex.h"

struct rj_cli_progress {
	/* immutable after _init */
	FILE *screen;                 /* where it is to be seen */
	FILE *out;                    /* into the outlet, or the screen */
	struct rj_cli_outlet *outlet; /* NULL: the screen has no descriptor */
	enum rj_cli_progress_style style; /* never auto */
	bool every_round;                 /* plain style too says each round */
	struct rj_mutex lock;
	/* guarded by lock */
	uint64_t begun_ns RJ_GUARDED_BY(lock);
	uint64_t rounds_seen RJ_GUARDED_BY(lock);
	uint64_t rounds_said RJ_GUARDED_BY(lock);
	uint64_t last_line_ns RJ_GUARDED_BY(lock);
	/* what moved since when, and how fast before that */
	uint64_t rate_bytes RJ_GUARDED_BY(lock);
	uint64_t rate_ns RJ_GUARDED_BY(lock);
	uint64_t bytes_per_s RJ_GUARDED_BY(lock);
	bool rate_known RJ_GUARDED_BY(lock);
	bool live RJ_GUARDED_BY(lock); /* the live line stands there */
};

/* `out` is borrowed. */
void rj_cli_progress_init(struct rj_cli_progress *progress,
			  enum rj_cli_progress_style style, FILE *out);
/* Lines that are still read are written first; the count of lines that were
 * dropped at the end is lost. */
void rj_cli_progress_done(struct rj_cli_progress *progress);
/* Wait until what was written so far has come out, unless it isn't read: before
 * other text goes to the same terminal. */
void rj_cli_progress_drain(struct rj_cli_progress *progress);
/* Another migration begins: its rounds count from 1 again. */
void rj_cli_progress_restart(struct rj_cli_progress *progress);
/* Call about ten times a second. */
void rj_cli_progress_update(struct rj_cli_progress *progress,
			    const struct ramjet_info *info);
/* The last rounds; the live line is gone afterwards. */
void rj_cli_progress_finish(struct rj_cli_progress *progress,
			    const struct ramjet_info *info);
/* A line of its own, in every style. */
RJ_PRINTF(2, 3)
void rj_cli_progress_note(struct rj_cli_progress *progress, const char *format,
			  ...);
#endif
