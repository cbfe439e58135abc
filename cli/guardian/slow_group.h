/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUARDIAN_SLOW_GROUP_H
#define RJ_CLI_GUARDIAN_SLOW_GROUP_H
/*
 * Threads of another process in control groups of their own, each with a quota
 * of CPU time.
 *
 * The groups are made below the one the process is in, "ramjet-slow-PID-TID",
 * so limits from above hold on. In version 2 they are threaded, and a process may
 * stay in their parent, which needs the cpu controller enabled for its
 * children: if that was not so, it is undone, and the names say it
 * ("ramjet-slow-PID-TID+cpu"), so that whoever mends it after a kill needs no
 * record. In version 1 there is nothing but the groups.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

struct rj_slow_groups {
	char *parent; /* the folder of the process's own group; NULL: none */
	bool version2;
	pid_t pid;
};
#define RJ_SLOW_GROUPS_NONE    \
	{                      \
		.parent = NULL \
	}

/* Where the process is, that has the controller. False: nowhere we can see. */
bool rj_slow_groups_find(pid_t pid, struct rj_slow_groups *ret);
void rj_slow_groups_done(struct rj_slow_groups *groups);

/* Would it work? All is tried but moving a thread, and undone. `threads` must
 * be in the group itself. Errors say what is missing. */
RJ_NODISCARD int rj_slow_groups_try(const struct rj_slow_groups *groups,
				    const pid_t *threads, unsigned count,
				    struct ramjet_error *err);
/* Each has (100 - percent) % of a CPU from now on; groups are made where there
 * are none. 0: none of them has a limit. */
RJ_NODISCARD int rj_slow_groups_set(const struct rj_slow_groups *groups,
				    const pid_t *threads, unsigned count,
				    unsigned percent, struct ramjet_error *err);
/* All groups of this process go, whoever made them; threads are back in the parent. 1: there
 * were some, 0: none. */
int rj_slow_groups_mend(const struct rj_slow_groups *groups,
			struct ramjet_error *err);
#endif
