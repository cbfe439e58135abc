/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_MIGRATION_COURSE_H
#define RJ_ENGINE_MIGRATION_COURSE_H
/*
 * The course of a migration, for who conducts its parts: the state, and what was
 * decided about the end. Parts, and workers, have no use for it. The control
 * thread's.
 */
#include "engine/migration/env.h"

/* As rj_migration_set_state(): false, and nothing happens, where a cancel came
 * first. */
bool rj_course_enter(const struct rj_env *env, enum ramjet_state state);
enum ramjet_state rj_course_state(const struct rj_env *env);
/* Before the commit: a cancel after it may end the wait, not undo it. */
void rj_course_let_abandon(const struct rj_env *env);
bool rj_course_is_abandoned(const struct rj_env *env);
/* The first error so far; code 0 when none. A cancel counts as -ECANCELED. */
struct ramjet_error rj_course_error(const struct rj_env *env);
/* The first error so far, code 0 when none: the caller's from now on, the
 * migration has none any more. */
struct ramjet_error rj_course_take_error(const struct rj_env *env);
/* What ramjet_info() tells is new, and written. */
void rj_course_tell_news(const struct rj_env *env);
#endif
