/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/migration/course.h"

#include "engine/migration/migration.h"
#include "engine/migration/news.h"

bool rj_course_enter(const struct rj_env *env, enum ramjet_state state)
{
	return rj_migration_set_state(env->migration, state);
}

enum ramjet_state rj_course_state(const struct rj_env *env)
{
	return ramjet_migration_state(env->migration);
}

void rj_course_let_abandon(const struct rj_env *env)
{
	rj_migration_let_abandon(env->migration);
}

bool rj_course_is_abandoned(const struct rj_env *env)
{
	return rj_migration_is_abandoned(env->migration);
}

struct ramjet_error rj_course_error(const struct rj_env *env)
{
	return rj_migration_error(env->migration);
}

struct ramjet_error rj_course_take_error(const struct rj_env *env)
{
	struct ramjet_migration *m = env->migration;
	const struct ramjet_error error = rj_migration_error(m);

	rj_lock(&m->lock);
	m->error = (struct ramjet_error){ 0 };
	rj_unlock(&m->lock);
	return error;
}

void rj_course_tell_news(const struct rj_env *env)
{
	rj_news_tell(env->migration);
}
