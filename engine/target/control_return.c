/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/target/control_return.h"

#include <errno.h>
#include <poll.h>

#include "engine/link/event.h"
#include "engine/link/hello.h"
#include "engine/link/refusal.h"
#include "ringio/wait.h"
#include "util/clock.h"
#include "util/error.h"

/* The source gives up first: so the target does not when it is about to come.
 * Chosen. */
#define LATER_NS (1 * UINT64_C(1000000000))
/* How long a HELLO may take to be sent. Chosen. */
#define HELLO_NS (1 * UINT64_C(1000000000))

/* Has it come, and is it newer than what we have? */
static bool take_visitor(struct rj_control_return *back,
			 struct rj_visitor *visitor)
{
	if (!rj_door_take(back->door, RJ_DOOR_CONTROL, visitor))
		return false;
	if (visitor->hello.epoch > back->epoch)
		return true;
	(void)rj_fail(&visitor->why, -EPROTO,
		      "session: a control link of epoch %u, wanted one after "
		      "%u",
		      visitor->hello.epoch, back->epoch);
	rj_refuse(&visitor->conn, &visitor->why, back->env->log);
	return false;
}

static int answer(struct rj_control_return *back, struct rj_visitor *visitor,
		  int stop_fd, struct rj_conn *ret, struct ramjet_error *err)
{
	struct rj_hello hello = visitor->hello;
	int rc;

	back->epoch = hello.epoch;
	hello.version_min = hello.version_max = RJ_WIRE_VERSION;
	rc = rj_hello_send(&visitor->conn, &hello, rj_now_ns() + HELLO_NS,
			   stop_fd, err);
	if (rc)
		(void)rj_conn_close(&visitor->conn, 0, NULL);
	else
		*ret = visitor->conn;
	return rc;
}

static int await_source(void *user, uint64_t deadline_ns, int stop_fd,
			struct rj_conn *ret, struct ramjet_error *err)
{
	struct rj_control_return *back = user;
	struct rj_visitor visitor;
	int rc;

	for (;;) {
		/* Before looking: who comes later signals again. */
		rj_event_clear(back->door->control_fd);
		if (take_visitor(back, &visitor)) {
			rj_error_clear(err);
			rc = answer(back, &visitor, stop_fd, ret, err);
			if (!rc || rc == -ECANCELED)
				return rc;
			continue;
		}
		rc = rj_wait_fd(back->door->control_fd, POLLIN, deadline_ns,
				stop_fd);
		if (rc == -ETIMEDOUT)
			return rj_fail(
				err, rc,
				"the source did not connect again within "
				"%.1f s",
				(double)back->way.window_ns / 1e9);
		if (rc)
			return rj_fail_errno(err, rc, "door: waiting");
	}
}

/* The signal for one that was taken already may come after it; and who had given
 * up on a try may be heard after the next one. */
static bool has_come(void *user)
{
	struct rj_control_return *back = user;

	rj_event_clear(back->door->control_fd);
	return rj_door_epoch(back->door, RJ_DOOR_CONTROL) > back->epoch;
}

static void tell(void *user, const struct ramjet_error *why)
{
	const struct rj_control_return *back = user;
	const struct rj_env *env = back->env;

	if (atomic_load_explicit(&back->is_over, memory_order_relaxed))
		return;
	if (why) {
		rj_log(env->log, RJ_LOG_WARNING,
		       "%s; it may return within %.1f s", why->message,
		       (double)back->way.window_ns / 1e9);
	} else {
		rj_log(env->log, RJ_LOG_INFO, "control link: it is back");
		rj_lock(env->lock);
		env->stats->control_reconnects++;
		rj_unlock(env->lock);
	}
	rj_event_signal(env->event_fd);
}

void rj_control_return_begin(struct rj_control_return *back,
			     struct rj_door *door, uint32_t reconnect_ms,
			     const struct rj_env *env)
{
	*back = (struct rj_control_return){
		.way = { .window_ns =
				 reconnect_ms * UINT64_C(1000000) + LATER_NS,
			 .visitor_fd = door->started ? door->control_fd : -1,
			 .has_come = has_come,
			 .connect = await_source,
			 .tell = tell,
			 .user = back },
		.begun = true,
		.door = door,
		.env = env,
	};
}

void rj_control_return_done(struct rj_control_return *back)
{
	if (back->begun)
		rj_resume_done(&back->resume);
	back->begun = false;
}
