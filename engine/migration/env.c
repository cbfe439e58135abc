/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/migration/env.h"

#include "engine/migration/migration.h"

struct rj_env rj_env_of(struct ramjet_migration *m)
{
	return (struct rj_env){
		.log = &m->log,
		.wake_fd = m->wake_fd,
		.event_fd = m->event_fd,
		.cap_bytes_per_s = &m->cap_bytes_per_s,
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
	struct ramjet_migration *m = env->migration;

	rj_lock(&m->lock);
	rj_statistics_path_now(&m->stats, name, chosen, "%s", reason);
	rj_unlock(&m->lock);
}

void rj_env_path(const struct rj_env *env, const char *name, const char *chosen,
		 const char *reason)
{
	struct ramjet_migration *m = env->migration;

	rj_lock(&m->lock);
	rj_statistics_path(&m->stats, name, chosen, "%s", reason);
	rj_unlock(&m->lock);
}

void rj_env_backend(const struct rj_env *env, enum ramjet_backend backend,
		    const char *reason)
{
	struct ramjet_migration *m = env->migration;

	rj_lock(&m->lock);
	rj_statistics_backend(&m->stats, backend, reason);
	rj_unlock(&m->lock);
}

struct ramjet_params rj_env_params(const struct rj_env *env)
{
	return rj_migration_params(env->migration);
}

uint64_t rj_env_reply_deadline(const struct rj_env *env)
{
	return rj_migration_reply_deadline(env->migration);
}
