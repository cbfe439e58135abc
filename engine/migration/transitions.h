/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_MIGRATION_TRANSITIONS_H
#define RJ_ENGINE_MIGRATION_TRANSITIONS_H
/*
 * The state machine: legal transitions are a table, one function writes the
 * state. Beside it a second one, of what has been decided about the end: by a
 * user who cancels, or by a word that binds. docs/states.md says who moves them
 * where.
 */
#include <stdbool.h>

#include "ramjet.h"

bool rj_state_may_follow(enum ramjet_state from, enum ramjet_state to);
/* True while cancel may still take effect. */
bool rj_state_is_before_commit(enum ramjet_state state);

enum rj_will {
	RJ_WILL_GO_ON,
	RJ_WILL_PROMISED,  /* target: READY is, or is about to be, said: the
			    * source decides */
	RJ_WILL_MAY_LEAVE, /* one way: after COMMIT a cancel may end the wait
			    * for the stream's end */
	RJ_WILL_CANCEL,    /* asked for before the commit: for good */
	RJ_WILL_BREAK,     /* the handle is freed: a cancel that even ends a
			    * promise */
	RJ_WILL_LEFT,      /* the wait for the outcome was given up */
	RJ_WILL_COUNT_,
};
bool rj_will_may_follow(enum rj_will from, enum rj_will to);
static inline bool rj_will_is_cancel(enum rj_will will)
{
	return will == RJ_WILL_CANCEL || will == RJ_WILL_BREAK;
}
#endif
