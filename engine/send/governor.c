/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both accounts are balances in bytes that grow with time and are charged when
 * a slice is announced, so they may be below zero: what is owed, divided by the
 * rate, is the time until the newest slice may go. A slice before it waits for
 * less: all that was announced after its place is not its to wait for. So the
 * order of the places is the order of admission, without a queue.
 */
#include "engine/send/governor.h"

#include <errno.h>
#include <stdatomic.h>

#include "ringio/wait.h"
#include "util/clock.h"

/* Above the cap only as long as a gap is made up for. Saved is what a thread
 * may lose that waits for a CPU of a busy machine, some 10 ms; 20 ms of a cap
 * are 2 % of a second. Figures, and those below: decision 015. */
#define PEAK          1.05
#define PEAK_SAVED_MS 2u
#define SAVED_MS      20u
#define PACE_PERCENT  125u
/* Smaller frames cost time, larger ones are not smooth (decision 015). */
#define FRAMES_PER_S    600u
#define FRAME_BYTES_MIN (64u << 10)
/* No more is let go at once, so that a frame made for another cap, or too
 * large for a low one, does not hold its channel (decision 024). */
#define SLICES_PER_S    200u
#define SLICE_BYTES_MIN 1024u
/* Below, slices are smooth enough. A kernel told to pace so slowly goes by
 * what it was told long after, for as long as one of its packets takes
 * (decision 024). */
#define PACED_FROM UINT64_C(4000000)
/* How soon a changed cap is noticed: as long as a slice takes. Sooner would be
 * more wake-ups for the same slices. */
#define LOOK_NS  5000000u
#define NS_PER_S 1e9
#define MS_PER_S 1e3

static double min_of(double a, double b)
{
	return a < b ? a : b;
}

void rj_governor_init(struct rj_governor *g, const _Atomic uint64_t *wanted)
{
	*g = (struct rj_governor){ .wanted = wanted };
	rj_mutex_init(&g->lock);
}

void rj_governor_done(struct rj_governor *g)
{
	rj_mutex_done(&g->lock);
}

static uint64_t slice_of(double cap, uint64_t wanted)
{
	const double most = cap / SLICES_PER_S;

	if (cap <= 0 || most >= (double)wanted)
		return wanted;
	if (most > SLICE_BYTES_MIN)
		return (uint64_t)most;
	return wanted < SLICE_BYTES_MIN ? wanted : SLICE_BYTES_MIN;
}

/* Earn until now at the cap so far, then take over the one that is wanted. */
static void earn_locked(struct rj_governor *g, uint64_t now_ns)
	RJ_REQUIRES(g->lock)
{
	/* relaxed: it orders nothing */
	const double cap =
		(double)atomic_load_explicit(g->wanted, memory_order_relaxed);

	/* The clock of another thread may be a little behind. */
	if (now_ns > g->earned_ns) {
		const double s = (double)(now_ns - g->earned_ns) / NS_PER_S;

		g->mean += s * g->cap;
		g->peak += s * g->cap * PEAK;
		g->earned_ns = now_ns;
	}
	/* When the cap changes, debts and savings are dropped, and slices that
	 * wait are void: they are announced anew. */
	if (g->cap <= 0 || cap < g->cap || cap > g->cap)
		g->mean = g->peak = 0;
	if (cap < g->cap || cap > g->cap)
		g->voided = g->announced;
	g->cap = cap;
	g->mean = min_of(g->mean, g->cap * SAVED_MS / MS_PER_S);
	g->peak = min_of(g->peak, g->cap * PEAK_SAVED_MS / MS_PER_S);
}

uint64_t rj_governor_announce(struct rj_governor *g, uint64_t *bytes,
			      uint64_t now_ns)
{
	uint64_t place;

	rj_lock(&g->lock);
	earn_locked(g, now_ns);
	*bytes = slice_of(g->cap, *bytes);
	place = g->announced;
	g->announced += *bytes;
	g->mean -= (double)*bytes;
	g->peak -= (double)*bytes;
	g->waiting++;
	rj_unlock(&g->lock);
	return place;
}

bool rj_governor_is_void(struct rj_governor *g, uint64_t place, uint64_t now_ns)
{
	bool is_void;

	rj_lock(&g->lock);
	earn_locked(g, now_ns);
	is_void = place < g->voided;
	rj_unlock(&g->lock);
	return is_void;
}

uint64_t rj_governor_ready_ns(struct rj_governor *g, uint64_t place,
			      uint64_t now_ns)
{
	double after, s;

	rj_lock(&g->lock);
	earn_locked(g, now_ns);
	/* Do not count what this slice and those behind it have been
	 * charged. */
	after = (double)(g->announced - place);
	s = g->cap > 0 && place >= g->voided
		    ? -min_of(g->mean + after, (g->peak + after) / PEAK) /
			      g->cap
		    : 0;
	rj_unlock(&g->lock);
	/* Rounded up, so that it may go when this has passed. */
	return s > 0 ? now_ns + (uint64_t)(s * NS_PER_S) + 1 : now_ns;
}

void rj_governor_admitted(struct rj_governor *g)
{
	rj_lock(&g->lock);
	g->waiting--;
	rj_unlock(&g->lock);
}

bool rj_governor_holds(struct rj_governor *g)
{
	bool holds;

	rj_lock(&g->lock);
	holds = g->waiting > 0;
	rj_unlock(&g->lock);
	return holds;
}

/* Until the slice at `place` may go, or another cap makes it void. */
static int wait_at(struct rj_governor *g, uint64_t place, int wake_fd)
{
	for (;;) {
		const uint64_t now_ns = rj_now_ns();
		uint64_t until_ns = rj_governor_ready_ns(g, place, now_ns);
		int rc;

		if (until_ns <= now_ns)
			return 0;
		if (until_ns > now_ns + LOOK_NS)
			until_ns = now_ns + LOOK_NS;
		rc = rj_wait_fd(-1, 0, until_ns, wake_fd);
		if (rc && rc != -ETIMEDOUT)
			return rc;
	}
}

int rj_governor_wait(struct rj_governor *g, uint64_t *bytes, int wake_fd)
{
	const uint64_t wanted = *bytes;

	/* relaxed: a frame that is about to go may miss a change */
	while (atomic_load_explicit(g->wanted, memory_order_relaxed)) {
		uint64_t place;
		bool again;
		int rc;

		*bytes = wanted;
		place = rj_governor_announce(g, bytes, rj_now_ns());
		rc = wait_at(g, place, wake_fd);
		again = !rc && rj_governor_is_void(g, place, rj_now_ns());
		rj_governor_admitted(g);
		if (!again)
			return rc;
	}
	*bytes = wanted;
	return 0;
}

uint64_t rj_governor_frame_bytes(uint64_t cap)
{
	const uint64_t bytes = cap / FRAMES_PER_S;

	return !cap || bytes > FRAME_BYTES_MIN ? bytes : FRAME_BYTES_MIN;
}

uint64_t rj_governor_pace(uint64_t cap)
{
	/* A larger cap would overflow; no machine is that fast. */
	const uint64_t most = UINT64_MAX / PACE_PERCENT;

	if (cap < PACED_FROM)
		return 0;
	return (cap < most ? cap : most) * PACE_PERCENT / 100;
}
