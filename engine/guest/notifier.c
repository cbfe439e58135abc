/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/guest/notifier.h"

#include <errno.h>
#include <stdlib.h>

#include "util/error.h"

/* A callback under way, on the stack of the thread that runs it. */
struct runner {
	struct runner *next;
	pthread_t thread;
};

struct rj_notifier {
	struct rj_notifier *next;
	ramjet_notify_fn *fn;
	void *user;
	int id;
	/* Several at once: the last call of one migration may overlap the first
	 * of the guest's next. */
	struct runner *runners;
	bool awaited; /* another thread waits to remove it, and frees it */
	bool removed; /* else the last runner frees it */
};

void rj_notifiers_init(struct rj_notifiers *list)
{
	rj_mutex_init(&list->lock);
	rj_cond_init(&list->idle);
	list->first = NULL;
	list->next_id = 1;
}

void rj_notifiers_done(struct rj_notifiers *list)
{
	while (list->first) {
		struct rj_notifier *n = list->first;

		list->first = n->next;
		free(n);
	}
	(void)pthread_cond_destroy(&list->idle);
	rj_mutex_done(&list->lock);
}

int rj_notifiers_add(struct rj_notifiers *list, ramjet_notify_fn *fn,
		     void *user, struct ramjet_error *err)
{
	struct rj_notifier **end, *n;
	int id;

	if (!fn)
		return rj_fail(err, -EINVAL, "notify: no function given");
	n = calloc(1, sizeof(*n));
	if (!n)
		return rj_fail(err, -ENOMEM, "notify: out of memory");
	n->fn = fn;
	n->user = user;
	rj_lock(&list->lock);
	id = n->id = list->next_id++;
	for (end = &list->first; *end; end = &(*end)->next)
		;
	*end = n;
	rj_unlock(&list->lock);
	return id;
}

static void unlink_locked(struct rj_notifiers *list, struct rj_notifier *n)
	RJ_REQUIRES(list->lock)
{
	struct rj_notifier **at = &list->first;

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	free(n);
}

static bool runs_here(const struct rj_notifier *n)
{
	const struct runner *r = n->runners;

	while (r && !pthread_equal(r->thread, pthread_self()))
		r = r->next;
	return r != NULL;
}

static int remove_locked(struct rj_notifiers *list, int id)
	RJ_REQUIRES(list->lock)
{
	struct rj_notifier *n = list->first;

	while (n && (n->id != id || n->removed))
		n = n->next;
	if (!n)
		return -ENOENT;
	n->removed = true;
	if (runs_here(n))
		return 0; /* its own callback: freed when that returns */
	n->awaited = true;
	while (n->runners)
		rj_cond_wait(&list->idle, &list->lock);
	unlink_locked(list, n);
	return 0;
}

int rj_notifiers_remove(struct rj_notifiers *list, int id)
{
	int rc;

	rj_lock(&list->lock);
	rc = remove_locked(list, id);
	rj_unlock(&list->lock);
	return rc;
}

/* The oldest notifier with an id in (after, last], or NULL. */
static struct rj_notifier *next_locked(struct rj_notifiers *list, int after,
				       int last) RJ_REQUIRES(list->lock)
{
	struct rj_notifier *n = list->first;

	while (n && (n->id <= after || n->removed))
		n = n->next;
	return n && n->id <= last ? n : NULL;
}

/* What the notifiers are told. */
struct news {
	enum ramjet_state old_state, new_state;
	const struct ramjet_error *err;
	struct ramjet_migration *migration;
};

static void run_locked(struct rj_notifiers *list, struct rj_notifier *n,
		       const struct news *news) RJ_REQUIRES(list->lock)
{
	struct runner me = { .next = n->runners, .thread = pthread_self() };
	struct runner **at = &n->runners;

	n->runners = &me;
	rj_unlock(&list->lock);
	n->fn(n->user, news->old_state, news->new_state, news->err,
	      news->migration);
	rj_lock(&list->lock);
	while (*at != &me)
		at = &(*at)->next;
	*at = me.next;
	if (n->removed && !n->awaited && !n->runners)
		unlink_locked(list, n);
	else
		(void)pthread_cond_broadcast(&list->idle);
}

void rj_notifiers_call(struct rj_notifiers *list, enum ramjet_state old_state,
		       enum ramjet_state new_state,
		       const struct ramjet_error *err,
		       struct ramjet_migration *migration)
{
	const struct news news = { old_state, new_state, err, migration };
	struct rj_notifier *n;
	int last, id = 0;

	rj_lock(&list->lock);
	last = list->next_id - 1;
	while ((n = next_locked(list, id, last))) {
		id = n->id;
		run_locked(list, n, &news);
	}
	rj_unlock(&list->lock);
}
