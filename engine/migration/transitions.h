/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_MIGRATION_TRANSITIONS_H
#define RJ_ENGINE_MIGRATION_TRANSITIONS_H
/*
 * The state machine: legal transitions are a table, one function writes the
 * state. docs/states.md says who moves it where.
 */
#include <stdbool.h>

#include "ramjet.h"

bool rj_state_may_follow(enum ramjet_state from, enum ramjet_state to);
/* True while cancel may still take effect. */
bool rj_state_is_before_commit(enum ramjet_state state);
#endif
