/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_BARE_ENV_H
#define RJ_TESTS_BARE_ENV_H
/* An environment without a migration: for parts of the source. */
#include "engine/migration/env.h"

struct bare_env {
	struct rj_env env;
	/* what it points to */
	struct rj_log log;
	struct rj_mutex lock;
	struct rj_statistics stats;
	struct ramjet_params params;
	_Atomic uint64_t cap_bytes_per_s, downtime_limit_us;
	_Atomic bool switch_now;
	char logged[256]; /* the latest message */
};

/* It may not move from then on. */
void bare_env_open(struct bare_env *bare);
void bare_env_close(struct bare_env *bare);
#endif
