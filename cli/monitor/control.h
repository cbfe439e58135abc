/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_CONTROL_H
#define RJ_CLI_MONITOR_CONTROL_H
/*
 * What a manager may do to a session: begin migrations one after the other,
 * change them, stop and start the guest, end the command. The monitor's thread
 * calls these; the command's main thread takes each migration as it begins,
 * waits for it, and frees it once there is a newer one.
 */
#include "cli/monitor/guest.h"
#include "cli/monitor/settings.h"
#include "util/mutex.h"

/* Begins a migration of the session's guest, either way. */
typedef int rj_cli_begin_fn(void *user, const char *uri,
			    const struct ramjet_params *params,
			    struct ramjet_migration **ret,
			    struct ramjet_error *err);

struct rj_cli_control {
	/* written with `lock` held, by the monitor's thread alone, which so may
	 * read it without */
	enum rj_cli_role role;
	/* immutable after _init */
	struct rj_cli_monitor_guest *guest;
	rj_cli_begin_fn *begin;
	void *user; /* of begin */
	/* Held while the library is called, but for `begin`; never inside its
	 * callbacks. */
	struct rj_mutex lock;
	pthread_cond_t changed;
	/* guarded by lock */
	struct rj_cli_settings settings RJ_GUARDED_BY(lock);
	struct ramjet_migration *current RJ_GUARDED_BY(lock); /* the newest */
	bool taken RJ_GUARDED_BY(lock);    /* main has it, and frees it */
	bool released RJ_GUARDED_BY(lock); /* it need not hold any more */
	bool resolved RJ_GUARDED_BY(lock); /* unconfirmed, then continued */
	bool leaving RJ_GUARDED_BY(lock);
	/* The newest migration is the one that brought it, and it is a source
	 * now: see _send_on. */
	bool arrived RJ_GUARDED_BY(lock);
	/* `begin` is called without the lock: a name may take a while. */
	bool beginning RJ_GUARDED_BY(lock);
	bool cancelled RJ_GUARDED_BY(lock);         /* while it began */
	bool changed_meanwhile RJ_GUARDED_BY(lock); /* its settings */
};

void rj_cli_control_init(struct rj_cli_control *control, enum rj_cli_role role,
			 struct rj_cli_monitor_guest *guest,
			 const struct ramjet_params *params,
			 rj_cli_begin_fn *begin, void *user);
void rj_cli_control_done(struct rj_cli_control *control);

/* ---- for the main thread ---- */

/* The newest migration when it isn't `old`, waiting at most timeout_ms for
 * one; else NULL. `old` may be freed then. */
struct ramjet_migration *rj_cli_control_take(struct rj_cli_control *control,
					     struct ramjet_migration *old,
					     int timeout_ms);
/* `quit` came. */
bool rj_cli_control_is_leaving(struct rj_cli_control *control);

/* ---- for the monitor ---- */

/* -EBUSY while one is under way; -EPERM when the guest isn't here. */
int rj_cli_control_begin(struct rj_cli_control *control, const char *uri,
			 struct ramjet_error *err);
/* Target: the guest has arrived, and the next migration takes it on from here,
 * as a source's; false when it hasn't. */
bool rj_cli_control_has_arrived(struct rj_cli_control *control);
void rj_cli_control_send_on(struct rj_cli_control *control);
enum rj_cli_role rj_cli_control_role(struct rj_cli_control *control);
/* 0 also when there is nothing to cancel. */
int rj_cli_control_cancel(struct rj_cli_control *control,
			  struct ramjet_error *err);
/* -EINVAL unless it is held, or, with `early`, will be. */
int rj_cli_control_switchover(struct rj_cli_control *control, bool early,
			      struct ramjet_error *err);
/* A copy. */
struct rj_cli_settings rj_cli_control_settings(struct rj_cli_control *control);
/* Parameters by name; they also change the migration under way. */
int rj_cli_control_set(struct rj_cli_control *control, json_t *wanted,
		       struct ramjet_error *err);
/* Capabilities; -EBUSY while one is under way. */
int rj_cli_control_enable(struct rj_cli_control *control, json_t *wanted,
			  struct ramjet_error *err);
/* What ramjet knows of the newest migration, *returned*; -ENOENT: none. */
int rj_cli_control_info(struct rj_cli_control *control,
			struct ramjet_info **ret, char *ret_listen_uri,
			size_t bytes);
/* The same of what it did to send fewer bytes. */
int rj_cli_control_savings(struct rj_cli_control *control,
			   struct ramjet_savings **ret);
/* Where a target listens, the address numbered `index`; false beyond. */
bool rj_cli_control_listen(struct rj_cli_control *control, size_t index,
			   char *ret_uri, size_t bytes);
/* QEMU's RunState. Static. */
const char *rj_cli_control_run_state(struct rj_cli_control *control);
int rj_cli_control_stop(struct rj_cli_control *control,
			struct ramjet_error *err);
/* `unconfirmed`: this is the explicit word that the source's guest shall go
 * on although it was handed over, and only then legal. */
int rj_cli_control_cont(struct rj_cli_control *control, bool unconfirmed,
			struct ramjet_error *err);
void rj_cli_control_quit(struct rj_cli_control *control);
#endif
