/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/crew.h"

#include <errno.h>
#include <stdlib.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/thread.h"

unsigned rj_crew_size(const struct rj_crew *crew)
{
	return crew->thread_count + 1;
}

void rj_crew_limit(struct rj_crew *crew, unsigned members)
{
	crew->limit = members;
}

uint64_t rj_crew_cpu_us(const struct rj_crew *crew)
{
	uint64_t ns = 0;
	clockid_t clock;

	for (unsigned i = 0; i < crew->thread_count; i++)
		if (!pthread_getcpuclockid(crew->threads[i], &clock))
			ns += rj_clock_ns(clock);
	return ns / 1000;
}

static void note_failure(struct rj_crew *crew, const struct ramjet_error *err)
{
	/* relaxed: those at work only need to see it soon */
	atomic_store_explicit(&crew->next, crew->pieces, memory_order_relaxed);
	rj_lock(&crew->lock);
	if (!crew->failure.code)
		crew->failure = *err;
	rj_unlock(&crew->lock);
}

static void work(struct rj_crew *crew, unsigned member)
{
	struct ramjet_error err = { 0 };
	uint64_t piece;
	int rc;

	for (;;) {
		piece = atomic_fetch_add_explicit(&crew->next, 1,
						  memory_order_relaxed);
		if (piece >= crew->pieces)
			return;
		rc = crew->fn(crew->user, member, piece, &err);
		if (rc) {
			if (!err.code)
				(void)rj_fail_errno(&err, rc, "piece %llu",
						    (unsigned long long)piece);
			note_failure(crew, &err);
			return;
		}
	}
}

static bool may_join(const struct rj_crew *crew, unsigned member, unsigned done)
{
	return crew->open && crew->job != done &&
	       (!crew->limit || member < crew->limit);
}

static void *crew_thread(void *argument)
{
	struct rj_crew *crew = argument;
	unsigned done = 0;
	unsigned member;

	rj_lock(&crew->lock);
	member = ++crew->joined;
	for (;;) {
		while (!crew->stop && !may_join(crew, member, done))
			rj_cond_wait(&crew->changed, &crew->lock);
		if (crew->stop)
			break;
		done = crew->job;
		crew->working++;
		rj_unlock(&crew->lock);
		work(crew, member);
		rj_lock(&crew->lock);
		if (!--crew->working)
			(void)pthread_cond_broadcast(&crew->changed);
	}
	rj_unlock(&crew->lock);
	return NULL;
}

int rj_crew_start(struct rj_crew *crew, const char *name, unsigned size,
		  struct ramjet_error *err)
{
	*crew = (struct rj_crew){ .threads = NULL };
	crew->threads = calloc(size, sizeof(*crew->threads));
	if (!crew->threads)
		return rj_fail(err, -ENOMEM, "%s: out of memory", name);
	rj_mutex_init(&crew->lock);
	rj_cond_init(&crew->changed);
	while (crew->thread_count + 1 < size &&
	       !rj_thread_start(&crew->threads[crew->thread_count], name,
				crew_thread, crew))
		crew->thread_count++;
	return 0;
}

void rj_crew_stop(struct rj_crew *crew)
{
	if (!crew->threads)
		return;
	rj_lock(&crew->lock);
	crew->stop = true;
	(void)pthread_cond_broadcast(&crew->changed);
	rj_unlock(&crew->lock);
	for (unsigned i = 0; i < crew->thread_count; i++)
		(void)pthread_join(crew->threads[i], NULL);
	(void)pthread_cond_destroy(&crew->changed);
	rj_mutex_done(&crew->lock);
	free(crew->threads);
	*crew = (struct rj_crew){ .threads = NULL };
}

static int run_alone(uint64_t pieces, rj_crew_fn *fn, void *user,
		     struct ramjet_error *err)
{
	int rc = 0;

	for (uint64_t piece = 0; !rc && piece < pieces; piece++)
		rc = fn(user, 0, piece, err);
	return rc;
}

int rj_crew_run(struct rj_crew *crew, uint64_t pieces, rj_crew_fn *fn,
		void *user, struct ramjet_error *err)
{
	/* Nobody is woken for what one does in no time. */
	if (!crew->thread_count || pieces < 2 || crew->limit == 1)
		return run_alone(pieces, fn, user, err);
	rj_lock(&crew->lock);
	crew->fn = fn;
	crew->user = user;
	crew->pieces = pieces;
	crew->failure.code = 0;
	atomic_store_explicit(&crew->next, 0, memory_order_relaxed);
	crew->job++;
	crew->open = true;
	(void)pthread_cond_broadcast(&crew->changed);
	rj_unlock(&crew->lock);
	work(crew, 0);
	rj_lock(&crew->lock);
	/* A machine that is busy may let the others run late. */
	crew->open = false;
	while (crew->working)
		rj_cond_wait(&crew->changed, &crew->lock);
	rj_unlock(&crew->lock);
	if (!crew->failure.code)
		return 0;
	if (err)
		*err = crew->failure;
	return crew->failure.code;
}
