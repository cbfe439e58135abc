/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/monitor/control.h"

#include <errno.h>
#include <string.h>

#include "util/clock.h"
#include "util/error.h"

void rj_cli_control_init(struct rj_cli_control *c, enum rj_cli_role role,
			 struct rj_cli_monitor_guest *guest,
			 const struct ramjet_params *params,
			 rj_cli_begin_fn *begin, void *user)
{
	*c = (struct rj_cli_control){
		.role = role, .guest = guest, .begin = begin, .user = user
	};
	rj_mutex_init(&c->lock);
	rj_cond_init(&c->changed);
	rj_cli_settings_init(&c->settings, params);
}

void rj_cli_control_done(struct rj_cli_control *c)
{
	if (c->current && !c->taken)
		ramjet_migration_free(c->current);
	(void)pthread_cond_destroy(&c->changed);
	rj_mutex_done(&c->lock);
}

static enum ramjet_state state_locked(const struct rj_cli_control *c)
	RJ_REQUIRES(c->lock)
{
	return c->current ? ramjet_migration_state(c->current)
			  : RAMJET_STATE_NONE;
}

/* There is a migration under way that parameters can be told to. */
static bool is_live_locked(const struct rj_cli_control *c) RJ_REQUIRES(c->lock)
{
	return c->current && !ramjet_state_is_final(state_locked(c));
}

static bool under_way_locked(const struct rj_cli_control *c)
	RJ_REQUIRES(c->lock)
{
	return c->beginning || is_live_locked(c);
}

/* ---- for the main thread ---- */

struct ramjet_migration *rj_cli_control_take(struct rj_cli_control *c,
					     struct ramjet_migration *old,
					     int timeout_ms)
{
	const uint64_t end_ns = rj_now_ns() + (uint64_t)timeout_ms * 1000000u;
	struct ramjet_migration *taken = NULL;

	rj_lock(&c->lock);
	while (c->current == old && !c->leaving &&
	       rj_cond_wait_until(&c->changed, &c->lock, end_ns) != ETIMEDOUT)
		;
	if (c->current != old) {
		taken = c->current;
		c->taken = true;
	}
	rj_unlock(&c->lock);
	return taken;
}

bool rj_cli_control_is_leaving(struct rj_cli_control *c)
{
	bool leaving;

	rj_lock(&c->lock);
	leaving = c->leaving;
	rj_unlock(&c->lock);
	return leaving;
}

/* ---- begin, cancel, switch over ---- */

static int check_begin_locked(const struct rj_cli_control *c,
			      struct ramjet_error *err) RJ_REQUIRES(c->lock)
{
	enum ramjet_state state = state_locked(c);

	if (c->leaving)
		return rj_fail(err, -ESHUTDOWN, "The command is ending");
	if (under_way_locked(c))
		return rj_fail(err, -EBUSY,
			       c->role == RJ_CLI_SOURCE
				       ? "There's a migration process in "
					 "progress"
				       : "The incoming migration has already "
					 "been started");
	if (state == RAMJET_STATE_COMPLETED && !c->arrived)
		return rj_fail(err, -EPERM,
			       c->role == RJ_CLI_SOURCE
				       ? "The guest has been handed over, it "
					 "lives elsewhere now"
				       : "The guest has arrived already");
	if (state == RAMJET_STATE_UNCONFIRMED && !c->resolved)
		return rj_fail(err, -EPERM,
			       "The guest was handed over, unconfirmed: make "
			       "sure by hand which side runs; "
			       "x-ramjet-cont-unconfirmed lets it run here");
	return 0;
}

static void take_begun_locked(struct rj_cli_control *c,
			      struct ramjet_migration *migration)
	RJ_REQUIRES(c->lock)
{
	/* It began and ended before main looked. */
	if (c->current && !c->taken)
		ramjet_migration_free(c->current);
	c->current = migration;
	c->arrived = false;
	c->taken = c->released = c->resolved = false;
	/* Apply what was asked for before there was a migration. */
	if (c->leaving || c->cancelled)
		(void)ramjet_cancel(migration);
	else if (c->changed_meanwhile)
		(void)ramjet_set_params(migration, &c->settings.params, NULL);
}

bool rj_cli_control_has_arrived(struct rj_cli_control *c)
{
	bool arrived;

	rj_lock(&c->lock);
	arrived = c->role == RJ_CLI_TARGET &&
		  state_locked(c) == RAMJET_STATE_COMPLETED;
	rj_unlock(&c->lock);
	return arrived;
}

void rj_cli_control_send_on(struct rj_cli_control *c)
{
	rj_cli_monitor_guest_arrived(c->guest);
	rj_lock(&c->lock);
	c->role = RJ_CLI_SOURCE;
	c->arrived = true;
	rj_unlock(&c->lock);
}

enum rj_cli_role rj_cli_control_role(struct rj_cli_control *c)
{
	enum rj_cli_role role;

	rj_lock(&c->lock);
	role = c->role;
	rj_unlock(&c->lock);
	return role;
}

int rj_cli_control_begin(struct rj_cli_control *c, const char *uri,
			 struct ramjet_error *err)
{
	struct ramjet_migration *migration = NULL;
	struct ramjet_params params;
	int rc;

	rj_lock(&c->lock);
	rc = check_begin_locked(c, err);
	params = c->settings.params;
	c->beginning = !rc;
	c->cancelled = c->changed_meanwhile = false;
	rj_unlock(&c->lock);
	if (rc)
		return rc;
	rc = c->begin(c->user, uri, &params, &migration, err);
	rj_lock(&c->lock);
	c->beginning = false;
	if (!rc)
		take_begun_locked(c, migration);
	(void)pthread_cond_broadcast(&c->changed);
	rj_unlock(&c->lock);
	return rc;
}

int rj_cli_control_cancel(struct rj_cli_control *c, struct ramjet_error *err)
{
	int rc = 0;

	rj_lock(&c->lock);
	c->cancelled = c->beginning;
	if (is_live_locked(c))
		rc = ramjet_cancel(c->current);
	/* It may have ended meanwhile. */
	if (rc && is_live_locked(c))
		(void)rj_fail(err, rc,
			      "It is too late to cancel: the guest is being "
			      "handed over");
	else
		rc = 0;
	rj_unlock(&c->lock);
	return rc;
}

static int switchover_locked(struct rj_cli_control *c, bool early,
			     struct ramjet_error *err) RJ_REQUIRES(c->lock)
{
	enum ramjet_state state = state_locked(c);
	int rc = -EINVAL;

	if (c->role == RJ_CLI_SOURCE &&
	    (state == RAMJET_STATE_HELD ||
	     (early && is_live_locked(c) && state < RAMJET_STATE_HELD)))
		rc = ramjet_switchover(c->current);
	if (rc)
		return rj_fail(err, rc,
			       "Migration is not in the state to switch over: "
			       "it is %s",
			       ramjet_state_name(state));
	c->released = true;
	return 0;
}

int rj_cli_control_switchover(struct rj_cli_control *c, bool early,
			      struct ramjet_error *err)
{
	int rc;

	rj_lock(&c->lock);
	rc = switchover_locked(c, early, err);
	rj_unlock(&c->lock);
	return rc;
}

/* ---- settings ---- */

struct rj_cli_settings rj_cli_control_settings(struct rj_cli_control *c)
{
	struct rj_cli_settings settings;

	rj_lock(&c->lock);
	settings = c->settings;
	rj_unlock(&c->lock);
	return settings;
}

static int set_locked(struct rj_cli_control *c, json_t *wanted,
		      struct ramjet_error *err) RJ_REQUIRES(c->lock)
{
	struct rj_cli_settings changed = c->settings;
	bool live = is_live_locked(c);
	bool holds = json_is_true(json_object_get(wanted, "x-ramjet-hold"));
	struct ramjet_params params;
	int rc = rj_cli_settings_set(&changed, wanted, live, err);

	if (rc)
		return rc;
	/* After migrate-continue the migration does not hold, whatever else is
	 * set; unless `hold` is set anew. */
	params = changed.params;
	params.hold = params.hold && (!c->released || holds);
	if (live)
		rc = ramjet_set_params(c->current, &params, err);
	/* It has ended just now: the settings are for the next one. */
	if (rc == -EALREADY) {
		rj_error_clear(err);
		rc = 0;
	}
	if (rc)
		return rc;
	c->settings = changed;
	c->changed_meanwhile = c->beginning;
	c->released = c->released && !holds;
	return 0;
}

int rj_cli_control_set(struct rj_cli_control *c, json_t *wanted,
		       struct ramjet_error *err)
{
	int rc;

	rj_lock(&c->lock);
	rc = set_locked(c, wanted, err);
	rj_unlock(&c->lock);
	return rc;
}

int rj_cli_control_enable(struct rj_cli_control *c, json_t *wanted,
			  struct ramjet_error *err)
{
	int rc = 0;

	rj_lock(&c->lock);
	if (!under_way_locked(c))
		rc = rj_cli_capabilities_set(&c->settings, wanted, err);
	else if (!rj_cli_capabilities_same(&c->settings, wanted))
		rc = rj_fail(err, -EBUSY,
			     "There's a migration process in progress");
	rj_unlock(&c->lock);
	return rc;
}

/* ---- what is ---- */

int rj_cli_control_info(struct rj_cli_control *c, struct ramjet_info **ret,
			char *ret_listen_uri, size_t bytes)
{
	int rc = -ENOENT;

	rj_lock(&c->lock);
	if (c->current)
		rc = ramjet_info(c->current, ret);
	*ret_listen_uri = '\0';
	if (c->current && c->role == RJ_CLI_TARGET)
		(void)snprintf(ret_listen_uri, bytes, "%s",
			       ramjet_listen_uri(c->current));
	rj_unlock(&c->lock);
	return rc;
}

int rj_cli_control_savings(struct rj_cli_control *c,
			   struct ramjet_savings **ret)
{
	int rc = -ENOENT;

	rj_lock(&c->lock);
	if (c->current)
		rc = ramjet_savings(c->current, ret);
	rj_unlock(&c->lock);
	return rc;
}

bool rj_cli_control_listen(struct rj_cli_control *c, size_t index,
			   char *ret_uri, size_t bytes)
{
	const char *uri = NULL;

	rj_lock(&c->lock);
	if (c->current && c->role == RJ_CLI_TARGET)
		uri = ramjet_listen_uri_at(c->current, index);
	if (uri)
		(void)snprintf(ret_uri, bytes, "%s", uri);
	rj_unlock(&c->lock);
	return uri != NULL;
}

const char *rj_cli_control_run_state(struct rj_cli_control *c)
{
	enum ramjet_state state;
	bool gone;

	rj_lock(&c->lock);
	state = state_locked(c);
	gone = c->role == RJ_CLI_SOURCE && !c->arrived &&
	       (state == RAMJET_STATE_COMPLETED ||
		(state == RAMJET_STATE_UNCONFIRMED && !c->resolved));
	rj_unlock(&c->lock);
	if (gone)
		return "postmigrate";
	if (c->role == RJ_CLI_TARGET && state == RAMJET_STATE_COMPLETED)
		rj_cli_monitor_guest_arrived(c->guest);
	switch (rj_cli_monitor_guest_run(c->guest)) {
	case RJ_CLI_RUN_ABSENT:
		return "inmigrate";
	case RJ_CLI_RUN_RUNNING:
		return "running";
	case RJ_CLI_RUN_PAUSED:
		return "paused";
	default:
		return "finish-migrate";
	}
}

/* ---- the guest ---- */

/* A migration under way does not have the guest: paused or not is still its
 * owner's to say, and goes with it. */
static int check_owner_locked(const struct rj_cli_control *c, bool unconfirmed,
			      struct ramjet_error *err) RJ_REQUIRES(c->lock)
{
	enum ramjet_state state = state_locked(c);
	bool open = state == RAMJET_STATE_UNCONFIRMED && !c->resolved;

	if (c->role == RJ_CLI_SOURCE && !c->arrived &&
	    state == RAMJET_STATE_COMPLETED)
		return rj_fail(err, -EPERM,
			       "The guest has been handed over, it lives "
			       "elsewhere now");
	if (c->role == RJ_CLI_TARGET && state == RAMJET_STATE_COMPLETED)
		rj_cli_monitor_guest_arrived(c->guest);
	if (open && !unconfirmed)
		return rj_fail(err, -EPERM,
			       "The guest was handed over, unconfirmed: make "
			       "sure by hand that it does not run elsewhere, "
			       "then use x-ramjet-cont-unconfirmed");
	if (unconfirmed && !open)
		return rj_fail(err, -EINVAL,
			       "No handover is unconfirmed, use cont");
	return 0;
}

int rj_cli_control_stop(struct rj_cli_control *c, struct ramjet_error *err)
{
	int rc;

	rj_lock(&c->lock);
	rc = check_owner_locked(c, false, err);
	if (!rc)
		rc = rj_cli_monitor_guest_pause(c->guest, err);
	rj_unlock(&c->lock);
	return rc;
}

int rj_cli_control_cont(struct rj_cli_control *c, bool unconfirmed,
			struct ramjet_error *err)
{
	int rc;

	rj_lock(&c->lock);
	rc = check_owner_locked(c, unconfirmed, err);
	if (!rc)
		rc = (unconfirmed ? rj_cli_monitor_guest_take_back
				  : rj_cli_monitor_guest_resume)(c->guest, err);
	if (!rc && unconfirmed)
		c->resolved = true;
	rj_unlock(&c->lock);
	return rc;
}

void rj_cli_control_quit(struct rj_cli_control *c)
{
	rj_lock(&c->lock);
	c->leaving = true;
	if (c->current)
		(void)ramjet_cancel(c->current);
	(void)pthread_cond_broadcast(&c->changed);
	rj_unlock(&c->lock);
}
