/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/monitor/guest.h"

#include <assert.h>
#include <errno.h>

#include "util/error.h"

static void set_run(struct rj_cli_monitor_guest *m, enum rj_cli_run run)
{
	bool ran = atomic_exchange(&m->run, (int)run) == RJ_CLI_RUN_RUNNING;
	bool runs = run == RJ_CLI_RUN_RUNNING;

	if (ran != runs)
		m->changed(m->user, runs);
}

enum rj_cli_run rj_cli_monitor_guest_run(const struct rj_cli_monitor_guest *m)
{
	return (enum rj_cli_run)atomic_load(&m->run);
}

static int stop_for_ramjet(void *user, struct ramjet_error *err)
{
	struct rj_cli_monitor_guest *m = user;
	int rc = 0;

	const bool has_owner = m->guest->kind->has_owner;

	rj_lock(&m->lock);
	if (rj_cli_monitor_guest_run(m) != RJ_CLI_RUN_PAUSED || has_owner)
		rc = m->guest->kind->ops->stop(m->guest, err);
	/* What its owner wanted last counts, as it was found now. */
	if (!rc && has_owner)
		m->paused = ramjet_guest_is_paused(m->handle);
	if (!rc) {
		m->held = true;
		if (!m->paused)
			set_run(m, RJ_CLI_RUN_STOPPED);
	}
	rj_unlock(&m->lock);
	return rc;
}

static int start_for_ramjet(void *user, struct ramjet_error *err)
{
	struct rj_cli_monitor_guest *m = user;
	int rc = 0;

	rj_lock(&m->lock);
	if (!m->paused)
		rc = m->guest->kind->ops->start(m->guest, err);
	if (!rc) {
		m->held = false;
		set_run(m, m->paused ? RJ_CLI_RUN_PAUSED : RJ_CLI_RUN_RUNNING);
	}
	rj_unlock(&m->lock);
	return rc;
}

static int throttle(void *user, unsigned percent, struct ramjet_error *err)
{
	struct rj_cli_monitor_guest *m = user;

	return m->guest->kind->ops->throttle(m->guest, percent, err);
}

static int save_state(void *user, void **ret_data, size_t *ret_bytes,
		      struct ramjet_error *err)
{
	struct rj_cli_monitor_guest *m = user;

	return m->guest->kind->ops->save_state(m->guest, ret_data, ret_bytes,
					       err);
}

static int load_state(void *user, const void *data, size_t bytes,
		      struct ramjet_error *err)
{
	struct rj_cli_monitor_guest *m = user;

	return m->guest->kind->ops->load_state(m->guest, data, bytes, err);
}

static int save_state_stream(void *user, ramjet_write_fn *write, void *context,
			     struct ramjet_error *err)
{
	struct rj_cli_monitor_guest *m = user;

	return m->guest->kind->ops->save_state_stream(m->guest, write, context,
						      err);
}

static int load_state_stream(void *user, ramjet_read_fn *read, void *context,
			     struct ramjet_error *err)
{
	struct rj_cli_monitor_guest *m = user;

	return m->guest->kind->ops->load_state_stream(m->guest, read, context,
						      err);
}

static int describe(void *user, void **ret_data, size_t *ret_bytes,
		    struct ramjet_error *err)
{
	struct rj_cli_monitor_guest *m = user;

	return m->guest->kind->ops->describe(m->guest, ret_data, ret_bytes,
					     err);
}

static int accept_guest(void *user, const void *data, size_t bytes,
			struct ramjet_error *err)
{
	struct rj_cli_monitor_guest *m = user;

	return m->guest->kind->ops->accept(m->guest, data, bytes, err);
}

static_assert(sizeof(struct ramjet_guest_ops) ==
		      sizeof(size_t) + 9 * sizeof(void (*)(void)),
	      "pass the new callback on");

void rj_cli_monitor_guest_init(struct rj_cli_monitor_guest *m,
			       struct rj_cli_guest *guest,
			       enum rj_cli_role role,
			       void (*changed)(void *user, bool runs),
			       void *user)
{
	const struct ramjet_guest_ops *inner = guest->kind->ops;
	const bool saves = inner->save_state_stream;
	const bool loads = inner->load_state_stream;

	*m = (struct rj_cli_monitor_guest){
		.guest = guest,
		.ops = { RAMJET_GUEST_OPS_INIT, .stop = stop_for_ramjet,
			 .start = start_for_ramjet,
			 .throttle = inner->throttle ? throttle : NULL,
			 .save_state = inner->save_state ? save_state : NULL,
			 .load_state = inner->load_state ? load_state : NULL,
			 .save_state_stream = saves ? save_state_stream : NULL,
			 .load_state_stream = loads ? load_state_stream : NULL,
			 .describe = inner->describe ? describe : NULL,
			 .accept = inner->accept ? accept_guest : NULL },
		.changed = changed,
		.user = user,
	};
	rj_mutex_init(&m->lock);
	atomic_init(&m->run, role == RJ_CLI_SOURCE ? RJ_CLI_RUN_RUNNING
						   : RJ_CLI_RUN_ABSENT);
}

void rj_cli_monitor_guest_done(struct rj_cli_monitor_guest *m)
{
	rj_mutex_done(&m->lock);
}

void rj_cli_monitor_guest_found_paused(struct rj_cli_monitor_guest *m)
{
	rj_lock(&m->lock);
	m->paused = true;
	set_run(m, RJ_CLI_RUN_PAUSED);
	rj_unlock(&m->lock);
}

void rj_cli_monitor_guest_arrived(struct rj_cli_monitor_guest *m)
{
	rj_lock(&m->lock);
	if (rj_cli_monitor_guest_run(m) == RJ_CLI_RUN_ABSENT) {
		m->paused = true;
		set_run(m, RJ_CLI_RUN_PAUSED);
	}
	rj_unlock(&m->lock);
}

/* Tell the library first: it knows whether it is too late. */
static int wish_locked(struct rj_cli_monitor_guest *m, bool paused,
		       struct ramjet_error *err) RJ_REQUIRES(m->lock)
{
	int rc = ramjet_guest_set_paused(m->handle, paused);

	if (rc)
		return rj_fail(err, rc,
			       "The guest is being handed over: it goes on "
			       "%s, %s it there",
			       paused ? "running" : "paused",
			       paused ? "stop" : "continue");
	m->paused = paused;
	return 0;
}

static int pause_locked(struct rj_cli_monitor_guest *m,
			struct ramjet_error *err) RJ_REQUIRES(m->lock)
{
	int rc = wish_locked(m, true, err);

	if (rc || rj_cli_monitor_guest_run(m) != RJ_CLI_RUN_RUNNING)
		return rc;
	rc = m->guest->kind->ops->stop(m->guest, err);
	if (rc) {
		(void)wish_locked(m, false, NULL);
		return rc;
	}
	set_run(m, RJ_CLI_RUN_PAUSED);
	return 0;
}

static int resume_locked(struct rj_cli_monitor_guest *m,
			 struct ramjet_error *err) RJ_REQUIRES(m->lock)
{
	const enum rj_cli_run run = rj_cli_monitor_guest_run(m);
	int rc = wish_locked(m, false, err);

	if (rc || run == RJ_CLI_RUN_ABSENT || run == RJ_CLI_RUN_RUNNING)
		return rc;
	if (m->held) { /* it goes on when its migration has done with it */
		set_run(m, RJ_CLI_RUN_STOPPED);
		return 0;
	}
	rc = m->guest->kind->ops->start(m->guest, err);
	if (rc)
		(void)wish_locked(m, true, NULL);
	else
		set_run(m, RJ_CLI_RUN_RUNNING);
	return rc;
}

int rj_cli_monitor_guest_pause(struct rj_cli_monitor_guest *m,
			       struct ramjet_error *err)
{
	int rc;

	rj_lock(&m->lock);
	rc = pause_locked(m, err);
	rj_unlock(&m->lock);
	return rc;
}

int rj_cli_monitor_guest_resume(struct rj_cli_monitor_guest *m,
				struct ramjet_error *err)
{
	int rc;

	rj_lock(&m->lock);
	rc = resume_locked(m, err);
	rj_unlock(&m->lock);
	return rc;
}

int rj_cli_monitor_guest_take_back(struct rj_cli_monitor_guest *m,
				   struct ramjet_error *err)
{
	int rc;

	rj_lock(&m->lock);
	m->held = false;
	rc = resume_locked(m, err);
	rj_unlock(&m->lock);
	return rc;
}
