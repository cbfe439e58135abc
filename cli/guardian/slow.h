/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUARDIAN_SLOW_H
#define RJ_CLI_GUARDIAN_SLOW_H
/*
 * Slows the vCPUs of a virtual machine in another process down, to
 * (100 - percent) % of their time. Its other threads keep theirs.
 *
 * By control groups, where we have the rights: each vCPU's thread is put into
 * a group of its own below the one it is in, with a quota of CPU time, and is
 * put back afterwards; slow_group.h. Else by short stops of the whole machine
 * over its monitor. Else not at all, and the error says why.
 *
 * What a ramjet that was killed has left is mended by its guardian, or by the
 * next one: rj_slow_mend().
 */
#include <stdbool.h>
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

struct rj_slow;

struct rj_slow_order {
	const char *what; /* in errors: "guest qemu" */
	pid_t pid;
	const pid_t *threads; /* the vCPUs'; copied, doubles are left out */
	unsigned thread_count;
	/* Stop the whole machine for a moment, and let it go on; NULL: that
	 * is not to be had. Called from a thread of slow's, one at a time,
	 * never while it is on hold. */
	int (*stop)(void *user, struct ramjet_error *err);
	int (*go_on)(void *user, struct ramjet_error *err);
	void *user;
	bool no_groups; /* don't try control groups */
};

enum rj_slow_way {
	RJ_SLOW_GROUP,
	RJ_SLOW_STOPS,
};

/* Finds a way; nothing is changed yet. -EOPNOTSUPP and why not. */
RJ_NODISCARD int rj_slow_new(const struct rj_slow_order *order,
			     struct rj_slow **ret, struct ramjet_error *err);
enum rj_slow_way rj_slow_way(const struct rj_slow *slow);
/* How it is done, for the report; why not by a better way, too. Borrowed. */
const char *rj_slow_words(const struct rj_slow *slow);
/* 0 to 99. 0 lifts it at once. */
RJ_NODISCARD int rj_slow_set(struct rj_slow *slow, unsigned percent,
			     struct ramjet_error *err);
/*
 * Before the migration's own stop, and from before any other use of `stop`:
 * on return the machine runs at full speed (a vCPU without quota would answer
 * `stop` late), and neither `stop` nor `go_on` is under way or will be called.
 * After release it is slowed down again as it was. One level.
 */
void rj_slow_hold(struct rj_slow *slow);
void rj_slow_release(struct rj_slow *slow);
/* Everything is as it was found. NULL ok. */
void rj_slow_free(struct rj_slow *slow);

/* Put back what a ramjet that is dead had changed for `pid`. 1: there was
 * something, 0: nothing. Only while no other ramjet is at work with it. */
int rj_slow_mend(pid_t pid, struct ramjet_error *err);
#endif
