/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_INTAKE_H
#define RJ_ENGINE_LINK_INTAKE_H
/*
 * Connections that the VMM has given a target, until the lobby takes them in: a
 * listener's backlog, without a listener.
 */
#include <stdbool.h>

#include "ramjet.h"
#include "ringio/endpoint.h"
#include "util/compiler.h"
#include "util/mutex.h"

/* All channels and the control link, which may be given before the source says
 * anything, and as many strangers as a lobby has seats. */
#define RJ_INTAKE_MAX (RAMJET_CHANNELS_MAX + 1 + 16)

struct rj_intake {
	int fd;               /* readable: something waits. -1: not set up */
	struct rj_mutex lock; /* lock order: 13, innermost */
	/* guarded by lock */
	bool closed;
	unsigned count;
	struct rj_arrival {
		struct rj_conn conn;
		uint64_t hello_ns; /* as rj_lobby_seat; 0: none */
	} waiting[RJ_INTAKE_MAX];  /* in the order in which they came */
};

RJ_NODISCARD int rj_intake_init(struct rj_intake *intake,
				struct ramjet_error *err);
/* Safe on one that was never set up. Closes what waits. */
void rj_intake_done(struct rj_intake *intake);
/* Any thread. -EALREADY: it is closed; -EBUSY: RJ_INTAKE_MAX wait. */
RJ_NODISCARD int rj_intake_give(struct rj_intake *intake,
				const struct rj_arrival *arrival,
				struct ramjet_error *err);
/* False: nothing waits. */
bool rj_intake_take(struct rj_intake *intake, struct rj_arrival *ret);
/* Nothing more is taken, and what waits is closed. */
void rj_intake_close(struct rj_intake *intake);
#endif
