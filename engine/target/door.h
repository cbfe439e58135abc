/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_TARGET_DOOR_H
#define RJ_ENGINE_TARGET_DOOR_H
/*
 * Who comes while a session is served whose connections may return: a thread
 * listens on, hears what newcomers say first, and keeps those for the control
 * thread that belong to the session, one for each lane and one for the control
 * link. All others are refused. Whether a lane may return now, and under which
 * epoch, is the control thread's to judge.
 *
 * Whoever knows the session's id belongs to it. What such a one can cost is
 * bounded: a place each, and of two that come for one place the newer stays.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "engine/link/lobby.h"
#include "ramjet.h"
#include "util/compiler.h"
#include "util/log.h"
#include "util/mutex.h"

/* What visitors come for: a lane, by its number, or this. */
#define RJ_DOOR_CONTROL RAMJET_CHANNELS_MAX

struct rj_door {
	/* immutable while the thread runs */
	struct rj_hello session; /* of its first control link */
	unsigned lane_count;
	int event_fd;   /* signalled for the control thread */
	int control_fd; /* and when somebody has come for the control link */
	int stop_fd;
	const struct rj_log *log;
	pthread_t thread;
	bool started;
	/* the thread's */
	struct rj_lobby lobby;

	_Atomic unsigned waiting; /* relaxed: a hint, event_fd follows */
	struct rj_mutex lock;     /* lock order: 5 */
	/* guarded by lock */
	struct rj_door_place {
		struct rj_conn conn; /* closed: nobody has come for it */
		struct rj_hello hello;
	} places[RAMJET_CHANNELS_MAX + 1];
};

/* `session` as it was heard and answered, so with the number of lanes that the
 * source wished for; lane_count: those that it has. The lobby, with who is in it,
 * is the door's from here on, its listener is borrowed; on failure both are the
 * caller's. */
RJ_NODISCARD int rj_door_open(struct rj_door *door, struct rj_lobby *lobby,
			      const struct rj_hello *session,
			      unsigned lane_count, int event_fd,
			      const struct rj_log *log,
			      struct ramjet_error *err);
/* Without waiting: who has come for this place, with a good HELLO of this
 * session and an epoch above 0. The connection is the caller's to take or to
 * refuse (engine/link/refusal.h). False: nobody. */
bool rj_door_take(struct rj_door *door, unsigned place, struct rj_visitor *ret);
/* The epoch of who is there to be taken; 0: nobody. */
uint32_t rj_door_epoch(struct rj_door *door, unsigned place);
/* Has anybody come? Cheap. */
static inline bool rj_door_has_visitors(const struct rj_door *door)
{
	return atomic_load_explicit(&door->waiting, memory_order_relaxed) > 0;
}
/* Join the thread, and close all who wait. Safe on a zeroed or closed one. */
void rj_door_close(struct rj_door *door);
#endif
