/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_GUEST_H
#define RJ_CLI_MONITOR_GUEST_H
/*
 * The guest as a monitor sees it: whether it runs, and who stopped it. It sits
 * between ramjet and the guest's own ops, so that every stop and start is
 * known, and so that a guest a manager has paused stays paused, here when its
 * migration fails, and where it arrives.
 */
#include <stdatomic.h>

#include "cli/guest/guest.h"
#include "util/mutex.h"

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
	/* set once, before there are clients; borrowed */
	struct ramjet_guest *handle;
	/* written with `lock` held, read by all */
	atomic_int run; /* enum rj_cli_run */
	/* Held while the guest's ops are called: by ramjet's threads and by
	 * the monitor's. */
	struct rj_mutex lock;
	/* guarded by lock */
	bool paused RJ_GUARDED_BY(lock); /* a manager's wish */
	bool held RJ_GUARDED_BY(lock);   /* its migration has stopped it */
};

void rj_cli_monitor_guest_init(struct rj_cli_monitor_guest *m,
			       struct rj_cli_guest *guest,
			       enum rj_cli_role role,
			       void (*changed)(void *user, bool runs),
			       void *user);
void rj_cli_monitor_guest_done(struct rj_cli_monitor_guest *m);
enum rj_cli_run rj_cli_monitor_guest_run(const struct rj_cli_monitor_guest *m);
/* Source: it is somebody else's, who has paused it. */
void rj_cli_monitor_guest_found_paused(struct rj_cli_monitor_guest *m);
/* Target: its migration has completed. Not started by it: it is paused. */
void rj_cli_monitor_guest_arrived(struct rj_cli_monitor_guest *m);
/* Also while a migration is under way: then it goes on paused, or not. Before
 * the guest has arrived: whether it shall run once it has. 0 also when nothing
 * had to change; -EALREADY when it has been said where the guest is to go on. */
RJ_NODISCARD int rj_cli_monitor_guest_pause(struct rj_cli_monitor_guest *m,
					    struct ramjet_error *err);
RJ_NODISCARD int rj_cli_monitor_guest_resume(struct rj_cli_monitor_guest *m,
					     struct ramjet_error *err);
/* The same for one that its migration, which has ended, has left stopped. */
RJ_NODISCARD int rj_cli_monitor_guest_take_back(struct rj_cli_monitor_guest *m,
						struct ramjet_error *err);
#endif
