/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/monitor_guest.h"

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
	int rc;

	if (rj_cli_monitor_guest_run(m) == RJ_CLI_RUN_PAUSED)
		return 0;
	rc = m->guest->kind->ops->stop(m->guest, err);
	if (!rc)
		set_run(m, RJ_CLI_RUN_STOPPED);
	return rc;
}

static int start_for_ramjet(void *user, struct ramjet_error *err)
{
	struct rj_cli_monitor_guest *m = user;
	int rc;

	if (rj_cli_monitor_guest_run(m) == RJ_CLI_RUN_PAUSED)
		return 0;
	rc = m->guest->kind->ops->start(m->guest, err);
	if (!rc)
		set_run(m, RJ_CLI_RUN_RUNNING);
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

static_assert(sizeof(struct ramjet_guest_ops) ==
		      sizeof(size_t) + 5 * sizeof(void (*)(void)),
	      "pass the new callback on");

void rj_cli_monitor_guest_init(struct rj_cli_monitor_guest *m,
			       struct rj_cli_guest *guest,
			       enum rj_cli_role role,
			       void (*changed)(void *user, bool runs),
			       void *user)
{
	const struct ramjet_guest_ops *inner = guest->kind->ops;

	*m = (struct rj_cli_monitor_guest){
		.guest = guest,
		.ops = { RAMJET_GUEST_OPS_INIT, .stop = stop_for_ramjet,
			 .start = start_for_ramjet,
			 .throttle = inner->throttle ? throttle : NULL,
			 .save_state = inner->save_state ? save_state : NULL,
			 .load_state = inner->load_state ? load_state : NULL },
		.changed = changed,
		.user = user,
	};
	atomic_init(&m->run, role == RJ_CLI_SOURCE ? RJ_CLI_RUN_RUNNING
						   : RJ_CLI_RUN_ABSENT);
}

int rj_cli_monitor_guest_pause(struct rj_cli_monitor_guest *m,
			       struct ramjet_error *err)
{
	int rc;

	if (rj_cli_monitor_guest_run(m) == RJ_CLI_RUN_ABSENT)
		return rj_fail(err, -EINVAL,
			       "The guest has not arrived yet, there is "
			       "nothing to stop");
	if (rj_cli_monitor_guest_run(m) != RJ_CLI_RUN_RUNNING)
		return 0;
	rc = m->guest->kind->ops->stop(m->guest, err);
	if (!rc)
		set_run(m, RJ_CLI_RUN_PAUSED);
	return rc;
}

int rj_cli_monitor_guest_resume(struct rj_cli_monitor_guest *m,
				struct ramjet_error *err)
{
	int rc;

	if (rj_cli_monitor_guest_run(m) == RJ_CLI_RUN_ABSENT)
		return rj_fail(err, -EINVAL,
			       "The guest has not arrived yet, there is "
			       "nothing to continue");
	if (rj_cli_monitor_guest_run(m) == RJ_CLI_RUN_RUNNING)
		return 0;
	rc = m->guest->kind->ops->start(m->guest, err);
	if (!rc)
		set_run(m, RJ_CLI_RUN_RUNNING);
	return rc;
}
