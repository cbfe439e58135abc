/* SPDX-License-Identifier: BSD-3-Clause */
/* The public calls on a migration under way: wait, cancel, change, ask. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "engine/guest/params.h"
#include "engine/link/event.h"
#include "engine/migration/migration.h"
#include "engine/migration/transitions.h"
#include "util/clock.h"
#include "util/error.h"

static int wait_over_locked(struct ramjet_migration *m, int timeout_ms)
	RJ_REQUIRES(m->lock)
{
	const uint64_t deadline_ns =
		rj_now_ns() +
		(uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000u;

	while (!m->over) {
		if (timeout_ms < 0)
			rj_cond_wait(&m->changed, &m->lock);
		else if (rj_cond_wait_until(&m->changed, &m->lock,
					    deadline_ns) == ETIMEDOUT)
			return m->over ? 0 : -ETIMEDOUT;
	}
	return 0;
}

RAMJET_API int ramjet_wait(struct ramjet_migration *migration, int timeout_ms,
			   struct ramjet_error *err)
{
	struct ramjet_error error;
	int rc;

	rj_error_clear(err);
	if (!migration)
		return rj_fail(err, -EINVAL, "wait: no migration");
	if (rj_migration_is_inside(migration))
		return rj_fail(err, -EDEADLK,
			       "wait: in a callback of this migration, which "
			       "cannot end before it returns");
	rj_lock(&migration->lock);
	rc = wait_over_locked(migration, timeout_ms);
	rj_unlock(&migration->lock);
	if (rc)
		return rj_fail(err, rc, "wait: still under way after %d ms",
			       timeout_ms);
	if (ramjet_migration_state(migration) == RAMJET_STATE_COMPLETED)
		return 0;
	error = rj_migration_error(migration);
	return rj_fail(err, error.code, "%s", error.message);
}

/* A target that has said READY is bound: COMMIT may be on its way, after which
 * the source does not run again. */
static int cancel_locked(struct ramjet_migration *m, const char *reason)
	RJ_REQUIRES(m->lock)
{
	if (m->will == RJ_WILL_PROMISED)
		return -EBUSY;
	(void)rj_migration_decide_locked(m, RJ_WILL_CANCEL);
	(void)snprintf(m->cancel_reason, sizeof(m->cancel_reason), "%s",
		       reason);
	return 0;
}

/* After the commit a wait can be ended, not what was handed over. */
static int leave_locked(struct ramjet_migration *m) RJ_REQUIRES(m->lock)
{
	if (m->state != RAMJET_STATE_COMMITTED)
		return -EALREADY;
	if (m->will == RJ_WILL_MAY_LEAVE)
		(void)rj_migration_decide_locked(m, RJ_WILL_LEFT);
	return m->will == RJ_WILL_LEFT ? 0 : -EALREADY;
}

RAMJET_API int ramjet_cancel(struct ramjet_migration *migration)
{
	return ramjet_cancel_reason(migration, "");
}

RAMJET_API int ramjet_cancel_reason(struct ramjet_migration *migration,
				    const char *reason)
{
	int rc = 0;

	if (!migration || !reason)
		return -EINVAL;
	rj_lock(&migration->lock);
	if (rj_will_is_cancel(migration->will))
		rc = 0;
	else if (rj_state_is_before_commit(migration->state))
		rc = cancel_locked(migration, reason);
	else
		rc = leave_locked(migration);
	rj_unlock(&migration->lock);
	if (rc)
		return rc;
	rj_event_signal(migration->wake_fd);
	rj_event_signal(migration->event_fd);
	return 0;
}

RAMJET_API int ramjet_switchover(struct ramjet_migration *migration)
{
	enum ramjet_state state;

	if (!migration)
		return -EINVAL;
	if (!migration->outgoing)
		return -EPERM;
	state = ramjet_migration_state(migration);
	if (state >= RAMJET_STATE_SWITCHOVER)
		return -EALREADY;
	atomic_store(&migration->switch_now, true);
	rj_event_signal(migration->event_fd);
	return 0;
}

/* Only the live parameters may differ from what they are. */
static int check_fixed(const struct ramjet_params *now,
		       const struct ramjet_params *wanted,
		       struct ramjet_error *err)
{
/* clang-format off */
#define FIXED(member) \
	{ #member, offsetof(struct ramjet_params, member), sizeof(now->member) }
	static const struct {
		const char *name;
		size_t offset, bytes;
	} fixed[] = {
		FIXED(channels),
		FIXED(backend),
		FIXED(verify),
		FIXED(verify_all),
		FIXED(strict),
		FIXED(zero_copy),
		FIXED(numa),
		FIXED(state_bytes_max),
		FIXED(connect_timeout_ms),
		FIXED(compression),
		FIXED(compression_level),
		FIXED(compression_level_max),
		FIXED(compression_cpu_percent),
		FIXED(deltas),
		FIXED(hot_pages),
		FIXED(delta_cache_bytes),
		FIXED(reconnect_ms),
	};
/* clang-format on */
#undef FIXED

	for (size_t i = 0; i < RJ_ARRAY_SIZE(fixed); i++)
		if (memcmp((const char *)now + fixed[i].offset,
			   (const char *)wanted + fixed[i].offset,
			   fixed[i].bytes))
			return rj_fail(err, -EINVAL,
				       "parameters: %s does not change live",
				       fixed[i].name);
	return 0;
}

RAMJET_API int ramjet_set_params(struct ramjet_migration *migration,
				 const struct ramjet_params *params,
				 struct ramjet_error *err)
{
	struct ramjet_params wanted;
	bool had_hold;
	int rc;

	rj_error_clear(err);
	if (!migration || !params)
		return rj_fail(err, -EINVAL, "parameters: none given");
	rc = rj_params_load(params, &wanted, err);
	if (rc)
		return rc;
	rj_lock(&migration->lock);
	if (ramjet_state_is_final(migration->state))
		rc = rj_fail(err, -EALREADY, "parameters: migration is %s",
			     ramjet_state_name(migration->state));
	else
		rc = check_fixed(&migration->params, &wanted, err);
	if (!rc) {
		had_hold = migration->params.hold;
		wanted.cpus = NULL;
		wanted.cpu_count = 0;
		migration->params = wanted;
		rj_migration_apply_cap_locked(migration);
		atomic_store(&migration->downtime_limit_us,
			     rj_params_downtime_limit_us(&wanted));
		if (wanted.hold != had_hold)
			atomic_store(&migration->switch_now, !wanted.hold);
	}
	rj_unlock(&migration->lock);
	rj_event_signal(migration->event_fd);
	return rc;
}

RAMJET_API enum ramjet_state ramjet_migration_state(
	const struct ramjet_migration *migration)
{
	struct ramjet_migration *m = (struct ramjet_migration *)migration;
	enum ramjet_state state;

	if (!m)
		return RAMJET_STATE_NONE;
	rj_lock(&m->lock);
	state = m->state;
	rj_unlock(&m->lock);
	return state;
}
