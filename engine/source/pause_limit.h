/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_PAUSE_LIMIT_H
#define RJ_ENGINE_SOURCE_PAUSE_LIMIT_H
/*
 * The source's guest stands still: for how long at most, whatever the reason,
 * before the switchover fails and it runs on. What `verify` takes is not
 * counted. It ends what is waited for, not what the VMM or a disk does. The
 * control thread's.
 */
#include "engine/migration/env.h"
#include "ramjet.h"

struct rj_handover;

/* What the parameters come to; `predicted_us` is of a pause that begins
 * although it does not fit, 0: it fits. UINT64_MAX: for ever. */
uint64_t rj_pause_limit_us(const struct ramjet_params *params,
			   uint64_t predicted_us);
/* -ETIMEDOUT, naming what was waited for, when it is over. */
RJ_NODISCARD int rj_pause_check(const struct rj_handover *handover,
				const struct rj_env *env, const char *what,
				struct ramjet_error *err);
/* Until when something may be sent to the target: until then, and no longer
 * than an answer may take. */
uint64_t rj_pause_deadline_ns(const struct rj_handover *handover,
			      const struct rj_env *env);
#endif
