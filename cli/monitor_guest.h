/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_GUEST_H
#define RJ_CLI_MONITOR_GUEST_H
/*
 * The guest as a monitor sees it: whether it runs, and who stopped it. It sits
 * between ramjet and the guest's own ops, so that every stop and start is
 * known, and so that a guest a manager has paused stays paused when its
 * migration fails.
 */
#include <stdatomic.h>

#include "cli/guest.h"

enum rj_cli_run {
	RJ_CLI_RUN_ABSENT = 0, /* target: hasn't arrived */
	RJ_CLI_RUN_RUNNING,
	RJ_CLI_RUN_PAUSED,  /* by rj_cli_monitor_guest_pause() */
	RJ_CLI_RUN_STOPPED, /* by its migration */
};

struct rj_cli_monitor_guest {
	/* immutable after _init */
	struct rj_cli_guest *guest; /* borrowed */
	/* For ramjet_guest_new(), with this struct as their user. */
	struct ramjet_guest_ops ops;
	/* Called after each change, in the thread that made it; must not
	 * wait: the guest may be standing still for it. */
	void (*changed)(void *user, bool runs);
	void *user;
	/* written by whoever may call the guest's ops: ramjet during a
	 * migration, the monitor between two; read by all */
	atomic_int run; /* enum rj_cli_run */
};

void rj_cli_monitor_guest_init(struct rj_cli_monitor_guest *m,
			       struct rj_cli_guest *guest,
			       enum rj_cli_role role,
			       void (*changed)(void *user, bool runs),
			       void *user);
enum rj_cli_run rj_cli_monitor_guest_run(const struct rj_cli_monitor_guest *m);
/* Only while no migration is under way. 0 also when nothing had to change. */
RJ_NODISCARD int rj_cli_monitor_guest_pause(struct rj_cli_monitor_guest *m,
					    struct ramjet_error *err);
RJ_NODISCARD int rj_cli_monitor_guest_resume(struct rj_cli_monitor_guest *m,
					     struct ramjet_error *err);
#endif
