/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <errno.h>

#include "engine/link/event.h"
#include "engine/migration/callback.h"
#include "engine/migration/migration.h"
#include "engine/migration/news.h"
#include "engine/migration/transitions.h"
#include "util/clock.h"
#include "util/error.h"

static void announce(struct ramjet_migration *m, enum ramjet_state old_state,
		     enum ramjet_state state)
{
	const struct ramjet_error error = rj_migration_error(m);
	const bool ended_badly = state == RAMJET_STATE_FAILED ||
				 state == RAMJET_STATE_CANCELLED ||
				 state == RAMJET_STATE_UNCONFIRMED;

	rj_news_tell(m);
	rj_log(&m->log, RJ_LOG_INFO, "%s: %s -> %s%s%s",
	       m->outgoing ? "outgoing" : "incoming",
	       ramjet_state_name(old_state), ramjet_state_name(state),
	       ended_badly ? ": " : "", ended_badly ? error.message : "");
	rj_call_notifiers(m, old_state, state, ended_badly ? &error : NULL);
}

/* After a cancel that came before the commit, only cancelling may follow. */
static bool is_overruled_locked(const struct ramjet_migration *m,
				enum ramjet_state state) RJ_REQUIRES(m->lock)
{
	return rj_will_is_cancel(m->will) &&
	       rj_state_is_before_commit(m->state) &&
	       state != RAMJET_STATE_CANCELLING;
}

/* While the guest stands still, another cap may hold. */
static bool is_paused(enum ramjet_state state)
{
	return state == RAMJET_STATE_SWITCHOVER ||
	       state == RAMJET_STATE_COMMITTED;
}

void rj_migration_apply_cap_locked(struct ramjet_migration *m)
{
	const bool lifted =
		is_paused(m->state) && m->params.uncapped_switchover;

	atomic_store(&m->cap_bytes_per_s,
		     lifted ? 0 : m->params.bandwidth_bytes_per_s);
}

static void write_state_locked(struct ramjet_migration *m,
			       enum ramjet_state state,
			       enum ramjet_state *ret_old) RJ_REQUIRES(m->lock)
{
	assert(rj_state_may_follow(m->state, state));
	*ret_old = m->state;
	m->state = state;
	rj_migration_apply_cap_locked(m);
}

bool rj_migration_set_state(struct ramjet_migration *m, enum ramjet_state state)
{
	enum ramjet_state old_state = RAMJET_STATE_NONE;
	bool written;

	rj_lock(&m->lock);
	written = !is_overruled_locked(m, state);
	if (written)
		write_state_locked(m, state, &old_state);
	rj_unlock(&m->lock);
	if (written)
		announce(m, old_state, state);
	return written;
}

static bool is_given_up(enum rj_will will)
{
	return rj_will_is_cancel(will) || will == RJ_WILL_LEFT;
}

void rj_migration_fail(struct ramjet_migration *m,
		       const struct ramjet_error *err)
{
	rj_lock(&m->lock);
	/* After a cancel, ECANCELED only says that waits have ended: no
	 * error. */
	if (!m->error.code &&
	    !(is_given_up(m->will) && err->code == -ECANCELED)) {
		m->error = *err;
		/* A callback may have set a code that is no negative errno: it
		 * must not read as success. */
		if (m->error.code >= 0)
			m->error.code = -EIO;
	}
	rj_unlock(&m->lock);
	rj_event_signal(m->wake_fd);
	rj_event_signal(m->event_fd);
}

struct ramjet_error rj_migration_error(struct ramjet_migration *m)
{
	struct ramjet_error error;

	rj_lock(&m->lock);
	error = m->error;
	if (rj_will_is_cancel(m->will) &&
	    (m->state == RAMJET_STATE_CANCELLING ||
	     m->state == RAMJET_STATE_CANCELLED || !error.code)) {
		error = (struct ramjet_error){ 0 };
		(void)rj_fail(&error, -ECANCELED, "migration: cancelled%s%s",
			      *m->cancel_reason ? ": " : "", m->cancel_reason);
	}
	if (m->will == RJ_WILL_LEFT)
		(void)rj_fail(&error, -ECANCELED,
			      "handed over, unconfirmed: given up while "
			      "waiting for the outcome");
	rj_unlock(&m->lock);
	return error;
}

bool rj_migration_decide_locked(struct ramjet_migration *m, enum rj_will will)
{
	const bool may = rj_will_may_follow(m->will, will);

	if (may)
		m->will = will;
	return may;
}

static bool decide(struct ramjet_migration *m, enum rj_will will)
{
	bool decided;

	rj_lock(&m->lock);
	decided = rj_migration_decide_locked(m, will);
	rj_unlock(&m->lock);
	return decided;
}

static enum rj_will will_of(struct ramjet_migration *m)
{
	enum rj_will will;

	rj_lock(&m->lock);
	will = m->will;
	rj_unlock(&m->lock);
	return will;
}

bool rj_migration_is_cancelled(struct ramjet_migration *m)
{
	return rj_will_is_cancel(will_of(m));
}

bool rj_migration_has_reason(struct ramjet_migration *m)
{
	bool has;

	rj_lock(&m->lock);
	has = rj_will_is_cancel(m->will) && *m->cancel_reason;
	rj_unlock(&m->lock);
	return has;
}

bool rj_migration_promise(struct ramjet_migration *m)
{
	return decide(m, RJ_WILL_PROMISED);
}

bool rj_migration_has_promised(struct ramjet_migration *m)
{
	const enum rj_will will = will_of(m);

	return will == RJ_WILL_PROMISED || will == RJ_WILL_BREAK;
}

void rj_migration_let_abandon(struct ramjet_migration *m)
{
	(void)decide(m, RJ_WILL_MAY_LEAVE);
}

bool rj_migration_is_abandoned(struct ramjet_migration *m)
{
	return will_of(m) == RJ_WILL_LEFT;
}

void rj_migration_abandon(struct ramjet_migration *m)
{
	enum rj_will will = RJ_WILL_CANCEL;

	rj_lock(&m->lock);
	if (!rj_state_is_before_commit(m->state))
		will = RJ_WILL_LEFT;
	else if (m->will == RJ_WILL_PROMISED)
		will = RJ_WILL_BREAK;
	(void)rj_migration_decide_locked(m, will);
	rj_unlock(&m->lock);
	rj_event_signal(m->wake_fd);
	rj_event_signal(m->event_fd);
}

struct ramjet_params rj_migration_params(struct ramjet_migration *m)
{
	struct ramjet_params params;

	rj_lock(&m->lock);
	params = m->params;
	rj_unlock(&m->lock);
	return params;
}

uint64_t rj_migration_reply_deadline(struct ramjet_migration *m)
{
	const uint64_t ms = rj_migration_params(m).reply_timeout_ms;

	return ms ? rj_now_ns() + ms * 1000000u : 0;
}

void rj_migration_finish(struct ramjet_migration *m, enum ramjet_state state)
{
	enum ramjet_state old_state = RAMJET_STATE_NONE;

	rj_lock(&m->lock);
	m->stats.control_cpu_us = rj_thread_cpu_us() + m->stats.crew_cpu_us;
	rj_statistics_end(&m->stats, rj_now_us());
	rj_unlock(&m->lock);
	rj_guest_release(m->guest);
	rj_lock(&m->lock);
	write_state_locked(m, state, &old_state);
	rj_unlock(&m->lock);
	announce(m, old_state, state);
	/* ramjet_wait() returns after all notifiers have run. */
	rj_lock(&m->lock);
	m->over = true;
	(void)pthread_cond_broadcast(&m->changed);
	rj_unlock(&m->lock);
	rj_news_tell(m);
}
