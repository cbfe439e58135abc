/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUARDIAN_GUARDIAN_H
#define RJ_CLI_GUARDIAN_GUARDIAN_H
/*
 * A guest of somebody else's must not stay paused because ramjet died in the
 * pause. The guardian is a small process in a session of its own that waits
 * for ramjet's end, whatever ended it, and then puts right over QMP what
 * ramjet had begun: the guest goes on, settings are as they were.
 *
 * Both share one page (page.h). What is about to be done is marked
 * there *before* it is done, so a death at any instruction leaves a mark that
 * is right or, for a moment, says too much; `cont` of a running guest does
 * nothing. From committing on nobody starts the source's guest but a person:
 * it may run at the target already.
 *
 *   source  stopping, stop ... cont, running            it failed, or was called off
 *           stopping, stop ... committing, COMMIT, handed_over
 *   target  starting, cont, running
 *
 * A guest that was found paused is never marked, so it stays paused.
 *
 * The page is a file, locked as long as ramjet or its guardian lives: who
 * finds it unlocked with a mark knows that both are dead, and what was left.
 * Nothing survives a kill of the whole control group but this file. A ramjet
 * that hangs, or was stopped, is no dead one: nothing happens.
 *
 * Calls from any thread, but start and end. Marks cost some ten nanoseconds
 * and a system call.
 */
#include "cli/guardian/page.h"
#include "util/compiler.h"

struct rj_guardian;

/*
 * Begins to watch this process; the guardian is ready on return. Before the
 * guest is touched. -EBUSY: another ramjet, or its guardian, is at work with
 * this VMM.
 */
RJ_NODISCARD int rj_guardian_start(const struct rj_guardian_order *order,
				   struct rj_guardian **ret,
				   struct ramjet_error *err);
/* *ret_words (NULL ok; borrowed until end) is a sentence for people. */
enum rj_guardian_left rj_guardian_earlier(const struct rj_guardian *guardian,
					  const char **ret_words);

/* The guardian's process; 0: it has been found dead. */
pid_t rj_guardian_pid(struct rj_guardian *guardian);

/* Before `stop` is sent, or anything else that makes the guest stand still.
 * Fails when there is no guardian any more, and no new one can be started:
 * then the guest must not be stopped. */
RJ_NODISCARD int rj_guardian_stopping(struct rj_guardian *guardian,
				      struct ramjet_error *err);
/* The guest runs again: `cont` has returned. */
void rj_guardian_running(struct rj_guardian *guardian);
/* Source: before COMMIT leaves, from a notifier of the state committed. */
void rj_guardian_committing(struct rj_guardian *guardian);
/* Source, from a notifier of the state completed: the target runs, so nobody
 * has to be told anything any more. */
void rj_guardian_handed_over(struct rj_guardian *guardian);
/* Target, in ops->start: before `cont`; not if the guest is to stay paused.
 * Never fails: if there is no guardian, it is started all the same. */
void rj_guardian_starting(struct rj_guardian *guardian);
/* The same as stopping and running, for those who stop the guest for moments
 * beside the migration (slow.h); the two are independent. */
RJ_NODISCARD int rj_guardian_nap(struct rj_guardian *guardian, bool begins,
				 struct ramjet_error *err);
/*
 * What is to be said to the monitor when ramjet has died before commit (and
 * at the target after `cont`): QMP commands, one a line, in order; "": nothing
 * any more. Takes the place of what was given before. -E2BIG: too long.
 * Before the setting that it undoes is changed. Errors are passed over.
 */
RJ_NODISCARD int rj_guardian_undo(struct rj_guardian *guardian,
				  const char *commands,
				  struct ramjet_error *err);

/*
 * Ramjet is through, and dismisses it. If the guest is still marked as
 * stopped, the guardian resumes it first; call this once ramjet's own
 * connection to the monitor is closed. 0, or -EIO and the guardian's words when
 * that did not come about. Frees. NULL ok.
 */
int rj_guardian_end(struct rj_guardian *guardian, struct ramjet_error *err);
#endif
