/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_TARGET_CONTROL_RETURN_H
#define RJ_ENGINE_TARGET_CONTROL_RETURN_H
/* The target's way to a new connection for its control link: the source comes to
 * the door. The keeper's thread waits there. */
#include <stdatomic.h>
#include <stdbool.h>

#include "engine/link/link_return.h"
#include "engine/migration/env.h"
#include "engine/target/door.h"

struct rj_control_return {
	struct rj_link_way way;
	struct rj_resume resume;
	bool begun;
	uint32_t epoch; /* of the latest connection */
	struct rj_door *door;
	const struct rj_env *env;
	_Atomic bool is_over; /* the migration: nothing more is told of it */
};

/* The door is open, and borrowed as `env` is. */
void rj_control_return_begin(struct rj_control_return *back,
			     struct rj_door *door, uint32_t reconnect_ms,
			     const struct rj_env *env);
/* Once nobody reads or writes the link. Safe on a zeroed one. */
void rj_control_return_done(struct rj_control_return *back);
#endif
