/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_REJOIN_H
#define RJ_ENGINE_SOURCE_REJOIN_H
/*
 * One try to connect a lost lane anew, by a thread of its own, rj/join: it waits
 * as long as it is told to, connects, and says HELLO. Then the target has the
 * word: JOINED on the control link, or it closes the connection, with FAILED or
 * without. The control thread starts it, looks, and takes the connection, or
 * ends it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/wire/wire.h"
#include "ramjet.h"
#include "ringio/endpoint.h"
#include "util/compiler.h"

struct rj_rejoin_options {
	const struct rj_uri *uri;      /* borrowed */
	const struct rj_conn *control; /* where the lane goes, too */
	struct rj_hello hello;
	uint64_t delay_ns;    /* before it begins */
	uint64_t deadline_ns; /* when it ends in vain */
	int event_fd;         /* told when it has */
};

struct rj_rejoin {
	struct rj_rejoin_options options;
	struct rj_conn control; /* a duplicate */
	pthread_t thread;
	bool started;
	int stop_fd;
	/* The thread's until it has ended. */
	struct rj_conn conn;
	bool greeted;
	/* Release, pairs with acquire in rj_rejoin_is_over(). */
	_Atomic bool over; /* in vain */
	struct ramjet_error err;
};

/* Of a zeroed one, or of one that has ended. */
RJ_NODISCARD int rj_rejoin_start(struct rj_rejoin *rejoin,
				 const struct rj_rejoin_options *options,
				 struct ramjet_error *err);
static inline bool rj_rejoin_is_over(const struct rj_rejoin *rejoin)
{
	return atomic_load_explicit(&rejoin->over, memory_order_acquire);
}
/* Its end: the connection, if HELLO was said on it and nothing has come back,
 * else a closed one. Safe on a zeroed struct. */
struct rj_conn rj_rejoin_take(struct rj_rejoin *rejoin);
#endif
