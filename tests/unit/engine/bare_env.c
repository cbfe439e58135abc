/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/bare_env.h"

#include <stdio.h>

static void note(void *user, int level, const char *message)
{
	struct bare_env *bare = user;

	(void)level;
	(void)snprintf(bare->logged, sizeof(bare->logged), "%s", message);
}

void bare_env_open(struct bare_env *bare)
{
	*bare = (struct bare_env){
		.log = { .fn = note, .user = bare },
		.env = {
			.log = &bare->log,
			.wake_fd = -1,
			.event_fd = -1,
			.cap_bytes_per_s = &bare->cap_bytes_per_s,
			.downtime_limit_us = &bare->downtime_limit_us,
			.switch_now = &bare->switch_now,
			.lock = &bare->lock,
			.stats = &bare->stats,
			.params = &bare->params,
		},
	};
	rj_mutex_init(&bare->lock);
}

void bare_env_close(struct bare_env *bare)
{
	rj_mutex_done(&bare->lock);
}
