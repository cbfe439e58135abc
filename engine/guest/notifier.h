/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GUEST_NOTIFIER_H
#define RJ_ENGINE_GUEST_NOTIFIER_H
/*
 * State-change notifiers. Callbacks run without any lock held, so they may
 * add and remove notifiers, their own included. Removing waits until the
 * callback is not running, unless it is removed from inside itself.
 */
#include <pthread.h>
#include <stdbool.h>

#include "ramjet.h"
#include "util/compiler.h"
#include "util/mutex.h"

struct rj_notifier;

struct rj_notifiers {
	struct rj_mutex lock; /* lock order: 3, innermost */
	pthread_cond_t idle;
	/* guarded by lock */
	struct rj_notifier *first;
	int next_id;
};

void rj_notifiers_init(struct rj_notifiers *list);
void rj_notifiers_done(struct rj_notifiers *list);
RJ_NODISCARD int rj_notifiers_add(struct rj_notifiers *list,
				  ramjet_notify_fn *fn, void *user,
				  struct ramjet_error *err);
RJ_NODISCARD int rj_notifiers_remove(struct rj_notifiers *list, int id);
/* Calls every notifier that was there when the call began, oldest first. */
void rj_notifiers_call(struct rj_notifiers *list, enum ramjet_state old_state,
		       enum ramjet_state new_state,
		       const struct ramjet_error *err,
		       struct ramjet_migration *migration);
#endif
