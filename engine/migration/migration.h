/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_MIGRATION_MIGRATION_H
#define RJ_ENGINE_MIGRATION_MIGRATION_H
/*
 * One migration, outgoing or incoming: what its control thread, its workers
 * and its callers share. The side-specific parts are in outgoing.h and
 * incoming.h.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/guest/guest.h"
#include "engine/migration/transitions.h"
#include "engine/stats/counters.h"
#include "engine/stats/statistics.h"
#include "ramjet.h"
#include "ringio/endpoint.h"
#include "ringio/uri.h"
#include "util/log.h"
#include "util/mutex.h"

struct rj_outgoing;
struct rj_confinement;
struct rj_incoming;
struct rj_side;
struct ramjet_connector;

struct ramjet_migration {
	/* immutable after creation */
	struct ramjet_guest *guest;
	bool outgoing;
	struct rj_uri uri;
	char uri_text[256];
	char listen_uri[512]; /* the first, and the others */
	char more_listen_uris[RJ_LISTENER_SOCKETS_MAX - 1][RJ_LISTENER_URI_MAX];
	struct rj_log log;
	const struct rj_side *side;
	/* signal mask of the thread that began it: callbacks run with it */
	struct rj_confinement *confinement; /* confine.c; NULL: anywhere */
	sigset_t caller_mask;
	pthread_t control;
	bool has_control;
	/* Readable = give up: cancelled, or something failed. Never reset. */
	int wake_fd;
	/* Something for the control thread to look at. */
	int event_fd;
	/* The VMM's own; -1: it has not asked for one. Set once, under lock. */
	_Atomic int news_fd;

	/* atomic: parameters that change while running */
	_Atomic uint64_t cap_bytes_per_s;   /* in force; 0: none */
	_Atomic uint64_t downtime_limit_us; /* UINT64_MAX: none */
	_Atomic bool switch_now;            /* do not hold, or hold no longer */

	/* Per channel, allocated by the control thread before its workers
	 * start (counter_count is stored last, release), freed with the
	 * migration. */
	struct rj_counters *counters;
	_Atomic unsigned counter_count;
	struct rj_block_counters *block_counters; /* theirs */
	/* Of the guest while it was ours; 0 until its VMM has named them. */
	_Atomic unsigned block_count;
	/* A block; by the control thread, relaxed. */
	_Atomic uint64_t *untouched_pages;

	struct rj_mutex lock; /* lock order: 1, outermost */
	pthread_cond_t changed;
	/* guarded by lock */
	struct ramjet_params params;
	enum ramjet_state state;
	enum rj_will will;
	char cancel_reason[201];   /* "": none was given */
	bool over;                 /* final, and everybody was told */
	struct ramjet_error error; /* the first one wins */
	struct rj_statistics stats;

	/* owned by the control thread */
	struct rj_outgoing *out;
	struct rj_incoming *in;
};

/* ---- it begins and ends (life.c) ---- */

/* Where the other side is. */
struct rj_where {
	const char *uri;
	bool vmm;         /* instead of a uri: connections of the VMM's own */
	const char *name; /* of these, or NULL */
	const struct ramjet_connector *connector; /* source: loaded */
};

/* What makes a migration one of the source or of the target. */
struct rj_side {
	const char *name; /* of the call, for errors */
	bool outgoing;
	/* What can fail in the caller's call already, before there is a
	 * thread. */
	int (*prepare)(struct ramjet_migration *m, const struct rj_where *where,
		       struct ramjet_error *err);
	void (*run)(struct ramjet_migration *m); /* the control thread */
	/* What it has allocated, also if prepare has failed, or was never called. */
	void (*free)(struct ramjet_migration *m);
};
/* A migration with its thread running, or nothing at all. */
RJ_NODISCARD int rj_migration_begin(const struct rj_side *side,
				    struct ramjet_guest *guest,
				    const struct rj_where *where,
				    const struct ramjet_params *params,
				    struct ramjet_migration **ret,
				    struct ramjet_error *err);
/* Is the caller one of its threads, in a callback? It can't wait for the end. */
bool rj_migration_is_inside(const struct ramjet_migration *m);
/* The guest's blocks will not change until this one is over. */
void rj_migration_count_blocks(struct ramjet_migration *m);
/* Counters for `channels` workers. */
RJ_NODISCARD int rj_migration_alloc_counters(struct ramjet_migration *m,
					     unsigned channels,
					     struct ramjet_error *err);
/* How many of m->counters there are by now. */
static inline unsigned rj_migration_counted(const struct ramjet_migration *m)
{
	/* acquire: pairs with the release in rj_migration_alloc_counters() */
	return atomic_load_explicit(&m->counter_count, memory_order_acquire);
}

/* ---- state (state.c) ---- */

/*
 * Move to `state`, wake waiters, call notifiers. The transition must be legal
 * (asserted), except that a cancel that came first wins: then nothing happens
 * and the result is false.
 */
bool rj_migration_set_state(struct ramjet_migration *m,
			    enum ramjet_state state);
/* What has been decided about the end; false, and nothing changes, where the
 * table has no such step. */
bool rj_migration_decide_locked(struct ramjet_migration *m, enum rj_will will)
	RJ_REQUIRES(m->lock);
/* Keep the first error and make everybody give up. Any thread. */
void rj_migration_fail(struct ramjet_migration *m,
		       const struct ramjet_error *err);
/* The first error so far; code 0 when none. A cancel counts as -ECANCELED. */
struct ramjet_error rj_migration_error(struct ramjet_migration *m);
bool rj_migration_is_cancelled(struct ramjet_migration *m);
/* The cancel came with a reason, which is in the error, too. */
bool rj_migration_has_reason(struct ramjet_migration *m);
/* Target: from here on only the source, or a lost link, ends it. False: a
 * cancel came first. */
bool rj_migration_promise(struct ramjet_migration *m);
bool rj_migration_has_promised(struct ramjet_migration *m);
/* Before the commit: a cancel after it may end the wait, not undo it. */
void rj_migration_let_abandon(struct ramjet_migration *m);
bool rj_migration_is_abandoned(struct ramjet_migration *m);
/* The handle is about to go: end every wait, before the commit or after, as
 * if the process had died. */
void rj_migration_abandon(struct ramjet_migration *m);
/* A copy of the parameters as they are now. */
struct ramjet_params rj_migration_params(struct ramjet_migration *m);
/* Work out the cap in force, after a change of the state or parameters. */
void rj_migration_apply_cap_locked(struct ramjet_migration *m)
	RJ_REQUIRES(m->lock);
/* The end: failed or cancelled according to what happened, with the guest
 * released before anybody is told. */
void rj_migration_finish(struct ramjet_migration *m, enum ramjet_state state);

/* Deadline for an answer of the peer. */
uint64_t rj_migration_reply_deadline(struct ramjet_migration *m);
#endif
