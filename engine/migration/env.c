/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/migration/env.h"

#include "engine/migration/migration.h"
#include "util/clock.h"

struct rj_env rj_env_of(struct ramjet_migration *m)
{
	return (struct rj_env){
		.log = &m->log,
		.wake_fd = m->wake_fd,
		.event_fd = m->event_fd,
		.cap_bytes_per_s = &m->cap_bytes_per_s,
		.downtime_limit_us = &m->downtime_limit_us,
		.switch_now = &m->switch_now,
		.lock = &m->lock,
		.stats = &m->stats,
		.params = &m->params,
		.migration = m,
	};
}

void rj_env_fail(const struct rj_env *env, const struct ramjet_error *err)
{
	rj_migration_fail(env->migration, err);
}

void rj_env_path_now(const struct rj_env *env, const char *name,
		     const char *chosen, const char *reason)
{
	rj_lock(env->lock);
	rj_statistics_path_now(env->stats, name, chosen, "%s", reason);
	rj_unlock(env->lock);
}

void rj_env_path(const struct rj_env *env, const char *name, const char *chosen,
		 const char *reason)
{
	rj_lock(env->lock);
	rj_statistics_path(env->stats, name, chosen, "%s", reason);
	rj_unlock(env->lock);
}

void rj_env_backend(const struct rj_env *env, enum ramjet_backend backend,
		    const char *reason)
{
	rj_lock(env->lock);
	rj_statistics_backend(env->stats, backend, reason);
	rj_unlock(env->lock);
}

struct ramjet_params rj_env_params(const struct rj_env *env)
{
	struct ramjet_params params;

	rj_lock(env->lock);
	params = *env->params;
	rj_unlock(env->lock);
	return params;
}

uint64_t rj_env_reply_deadline(const struct rj_env *env)
{
	const uint64_t ms = rj_env_params(env).reply_timeout_ms;

	return ms ? rj_now_ns() + ms * 1000000u : 0;
}
