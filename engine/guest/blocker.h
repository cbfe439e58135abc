/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GUEST_BLOCKER_H
#define RJ_ENGINE_GUEST_BLOCKER_H
/* Reasons why a guest must not migrate. Callers hold the guest's lock. */
#include <stddef.h>

#include "ramjet.h"
#include "util/compiler.h"

/* Chosen: all of them are named in one message. */
#define RJ_BLOCKERS_MAX 64u

struct rj_blockers {
	char *reasons[RJ_BLOCKERS_MAX];
	size_t count;
};

RJ_NODISCARD int rj_blockers_add(struct rj_blockers *blockers,
				 const char *reason, struct ramjet_error *err);
RJ_NODISCARD int rj_blockers_remove(struct rj_blockers *blockers,
				    const char *reason);
/* 0, or -EPERM with every reason in the message. */
RJ_NODISCARD int rj_blockers_check(const struct rj_blockers *blockers,
				   struct ramjet_error *err);
void rj_blockers_done(struct rj_blockers *blockers);
#endif
