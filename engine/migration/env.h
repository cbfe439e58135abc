/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_MIGRATION_ENV_H
#define RJ_ENGINE_MIGRATION_ENV_H
/*
 * What a worker, or a part of the source, sees of the migration it works for:
 * whom to tell, when to give up, the parameters, and where figures go. It never
 * looks at the migration itself; without one, a test can fill all of it. Any
 * thread.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/stats/statistics.h"
#include "ramjet.h"
#include "util/compiler.h"
#include "util/log.h"
#include "util/mutex.h"

struct ramjet_migration;

struct rj_env {
	const struct rj_log *log;
	int wake_fd;  /* readable: give up */
	int event_fd; /* something for the control thread to look at */
	const _Atomic uint64_t *cap_bytes_per_s; /* in force; 0: none */
	const _Atomic uint64_t *downtime_limit_us;
	const _Atomic bool *switch_now; /* do not hold, or hold no longer */
	struct rj_mutex *lock;          /* lock order: 1; guards these two */
	struct rj_statistics *stats;
	const struct ramjet_params *params;
	/* For rj_env_fail(), and for what conducts (course.h); nobody else's. */
	struct ramjet_migration *migration;
};

/* Borrowed from the migration, which outlives its workers. */
struct rj_env rj_env_of(struct ramjet_migration *m);
/* Keep the first error, and make everybody give up. */
void rj_env_fail(const struct rj_env *env, const struct ramjet_error *err);
/* Report a fast path as it is now. */
void rj_env_path_now(const struct rj_env *env, const char *name,
		     const char *chosen, const char *reason);
/* As rj_env_path_now(), but the first report stays. */
void rj_env_path(const struct rj_env *env, const char *name, const char *chosen,
		 const char *reason);
/* What this worker's channel runs on. */
void rj_env_backend(const struct rj_env *env, enum ramjet_backend backend,
		    const char *reason);
struct ramjet_params rj_env_params(const struct rj_env *env);
/* Until when the peer has to answer; 0: for ever. */
uint64_t rj_env_reply_deadline(const struct rj_env *env);
#endif
