/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_LOG_H
#define RJ_UTIL_LOG_H
/* Messages go to the handle's callback; the library never prints. */
#include "ramjet.h"
#include "util/compiler.h"

struct rj_log {
	ramjet_log_fn *fn; /* NULL: silent */
	void *user;
	/* Also when silent: something worth a warning has been said. Or NULL. */
	void (*warned)(void *at);
	void *warned_at;
};

enum rj_log_level {
	RJ_LOG_ERROR = 3,
	RJ_LOG_WARNING = 4,
	RJ_LOG_INFO = 6,
	RJ_LOG_DEBUG = 7,
};

/* Keeps errno. */
RJ_PRINTF(3, 4)
void rj_log(const struct rj_log *log, int level, const char *format, ...);
#endif
