/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/rejoin_control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "engine/link/event.h"
#include "engine/link/hello.h"
#include "engine/link/lane.h"
#include "ringio/wait.h"
#include "util/clock.h"
#include "util/error.h"

/* Between tries: from the first to the last. Chosen: a path that is back is found
 * within a second, and one that is not costs a packet a second. */
#define BACKOFF_NS     (100 * UINT64_C(1000000))
#define BACKOFF_MAX_NS (1000 * UINT64_C(1000000))
/* One try. Chosen: two lost SYNs. */
#define TRY_NS (5 * UINT64_C(1000000000))
/* Nobody listens any more: the target is gone, but for one that starts to listen
 * a moment later than its network is back. Chosen. */
#define REFUSED_NS (1 * UINT64_C(1000000000))

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

/* The target answers with the same. */
static int exchange(struct rj_rejoin_control *rejoin,
		    const struct rj_conn *conn, uint64_t deadline_ns,
		    int stop_fd, struct ramjet_error *err)
{
	const struct rj_hello *ours = &rejoin->hello;
	struct rj_hello theirs;
	int rc = rj_hello_send(conn, ours, deadline_ns, stop_fd, err);

	if (!rc)
		rc = rj_hello_receive(conn, &theirs, deadline_ns, stop_fd, err);
	if (rc)
		return rc;
	if (memcmp(theirs.session, ours->session, RJ_SESSION_BYTES) ||
	    theirs.role != ours->role || theirs.epoch != ours->epoch ||
	    theirs.version_min != RJ_WIRE_VERSION ||
	    theirs.version_max != RJ_WIRE_VERSION)
		return rj_fail(err, -EPROTO,
			       "handshake: the target's HELLO does not answer "
			       "ours (role %u, epoch %u)",
			       theirs.role, theirs.epoch);
	return 0;
}

static int try_once(struct rj_rejoin_control *rejoin, uint64_t deadline_ns,
		    int stop_fd, struct rj_conn *ret, struct ramjet_error *err)
{
	const uint64_t try_ns = earlier(deadline_ns, rj_now_ns() + TRY_NS);
	struct rj_conn conn = RJ_CONN_NONE;
	int rc = rj_connect_to(&rejoin->peer, rejoin->peer_bytes, rejoin->uri,
			       try_ns, stop_fd, &conn, err);

	if (rc)
		return rc;
	/* Of two tries the target knows the later one. */
	rejoin->hello.epoch++;
	rc = exchange(rejoin, &conn, try_ns, stop_fd, err);
	if (rc)
		(void)rj_conn_close(&conn, 0, NULL);
	else
		*ret = conn;
	return rc;
}

/* Nobody listens there: a unix: socket's file goes with its listener. */
static bool is_refused(int rc)
{
	return rc == -ECONNREFUSED || rc == -ENOENT;
}

/* Is there a point in another try? */
static bool is_hopeless(struct rj_rejoin_control *rejoin, int rc)
{
	const uint64_t now = rj_now_ns();

	if (!is_refused(rc)) {
		rejoin->refused_ns = 0;
		return !rj_lane_is_loss(rc) && rc != -EAGAIN;
	}
	if (!rejoin->refused_ns)
		rejoin->refused_ns = now;
	return now - rejoin->refused_ns >= REFUSED_NS;
}

/* Until the next try; -ETIMEDOUT, -ECANCELED. */
static int await_next(const struct rj_rejoin_control *rejoin,
		      uint64_t deadline_ns, int stop_fd)
{
	const uint64_t now = rj_now_ns();
	const uint64_t until_ns = earlier(rejoin->next_ns, deadline_ns);

	if (now < until_ns &&
	    rj_wait_fd(stop_fd, POLLIN, until_ns, -1) != -ETIMEDOUT)
		return -ECANCELED;
	return rejoin->next_ns < deadline_ns && now < deadline_ns ? 0
								  : -ETIMEDOUT;
}

static int connect_again(void *user, uint64_t deadline_ns, int stop_fd,
			 struct rj_conn *ret, struct ramjet_error *err)
{
	struct rj_rejoin_control *rejoin = user;
	int rc;

	for (;;) {
		rc = await_next(rejoin, deadline_ns, stop_fd);
		if (rc)
			return err->code ? rc
					 : rj_fail_errno(err, rc,
							 "connect again");
		rj_error_clear(err);
		rc = try_once(rejoin, deadline_ns, stop_fd, ret, err);
		rejoin->next_ns = rj_now_ns() + rejoin->backoff_ns;
		rejoin->backoff_ns =
			earlier(2 * rejoin->backoff_ns, BACKOFF_MAX_NS);
		if (!rc || rc == -ECANCELED || is_hopeless(rejoin, rc))
			return rc;
	}
}

static void tell(void *user, const struct ramjet_error *why)
{
	struct rj_rejoin_control *rejoin = user;
	const struct rj_env *env = rejoin->env;

	rejoin->refused_ns = 0;
	/* One that is lost as soon as it is there is not tried at once again. */
	if (why && rj_now_ns() - rejoin->back_ns >= RJ_RESUME_LASTED_NS) {
		rejoin->backoff_ns = BACKOFF_NS;
		rejoin->next_ns = 0;
	}
	if (why) {
		rj_log(env->log, RJ_LOG_WARNING,
		       "%s; it may return within %.1f s", why->message,
		       (double)rejoin->way.window_ns / 1e9);
	} else {
		rejoin->back_ns = rj_now_ns();
		rj_log(env->log, RJ_LOG_INFO, "control link: it is back");
		rj_lock(env->lock);
		env->stats->control_reconnects++;
		rj_unlock(env->lock);
	}
	rj_event_signal(env->event_fd);
}

bool rj_rejoin_control_begin(struct rj_rejoin_control *rejoin,
			     const struct rj_uri *uri,
			     const struct rj_conn *first,
			     const struct rj_hello *hello,
			     uint32_t reconnect_ms, const struct rj_env *env)
{
	*rejoin = (struct rj_rejoin_control){
		.way = { .window_ns = reconnect_ms * UINT64_C(1000000),
			 .visitor_fd = -1,
			 .connect = connect_again,
			 .tell = tell,
			 .user = rejoin },
		.uri = uri,
		.hello = *hello,
		.env = env,
	};
	rejoin->begun =
		uri->scheme != RJ_URI_TCP ||
		!rj_conn_peer(first, &rejoin->peer, &rejoin->peer_bytes);
	return rejoin->begun;
}

void rj_rejoin_control_done(struct rj_rejoin_control *rejoin)
{
	if (rejoin->begun)
		rj_resume_done(&rejoin->resume);
	rejoin->begun = false;
}
