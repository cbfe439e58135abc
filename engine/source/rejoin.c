/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/rejoin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "engine/link/event.h"
#include "engine/link/hello.h"
#include "ringio/wait.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/thread.h"

static int connect_and_greet(struct rj_rejoin *rejoin, struct ramjet_error *err)
{
	const struct rj_rejoin_options *options = &rejoin->options;
	int rc = rj_connect_beside(&rejoin->control, options->uri,
				   options->deadline_ns, rejoin->stop_fd,
				   &rejoin->conn, err);

	if (!rc)
		rc = rj_hello_send(&rejoin->conn, &options->hello,
				   options->deadline_ns, rejoin->stop_fd, err);
	rejoin->greeted = !rc;
	return rc;
}

/* Nothing comes that way but why it is refused. */
static int await_refusal(struct rj_rejoin *rejoin, struct ramjet_error *err)
{
	const struct rj_rejoin_options *options = &rejoin->options;
	struct rj_hello none;
	int rc = rj_conn_wait(&rejoin->conn, POLLIN, options->deadline_ns,
			      rejoin->stop_fd);

	if (rc)
		return rj_fail_errno(err, rc, "waiting for JOINED");
	rc = rj_hello_receive(&rejoin->conn, &none, options->deadline_ns,
			      rejoin->stop_fd, err);
	return rc ? rc : rj_fail(err, -EPROTO, "the target answers HELLO");
}

static void *rejoin_thread(void *arg)
{
	struct rj_rejoin *rejoin = arg;
	struct ramjet_error *err = &rejoin->err;
	int rc = rj_wait_fd(-1, 0, rj_now_ns() + rejoin->options.delay_ns,
			    rejoin->stop_fd);

	if (rc == -ECANCELED)
		return NULL;
	rc = connect_and_greet(rejoin, err);
	if (!rc)
		rc = await_refusal(rejoin, err);
	/* Told to end: whoever did takes the connection. */
	if (rc == -ECANCELED)
		return NULL;
	(void)rj_conn_close(&rejoin->conn, 1, NULL);
	atomic_store_explicit(&rejoin->over, true, memory_order_release);
	rj_event_signal(rejoin->options.event_fd);
	return NULL;
}

int rj_rejoin_start(struct rj_rejoin *rejoin,
		    const struct rj_rejoin_options *options,
		    struct ramjet_error *err)
{
	int rc, fd;

	*rejoin = (struct rj_rejoin){
		.options = *options,
		.conn = RJ_CONN_NONE,
		.control = RJ_CONN_NONE,
		.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	/* The control link may be connected anew meanwhile. */
	fd = fcntl(options->control->fd, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0)
		rejoin->control = rj_conn_bare(fd, options->control->kind);
	rc = rejoin->stop_fd < 0 || fd < 0 ? -errno : 0;
	if (!rc)
		rc = rj_thread_start(&rejoin->thread, "rj/join", rejoin_thread,
				     rejoin);
	rejoin->started = !rc;
	if (!rc)
		return 0;
	rj_close_fd(&rejoin->stop_fd);
	(void)rj_conn_close(&rejoin->control, 1, NULL);
	return rj_thread_fail(err, rc, "a thread to connect a lane anew");
}

struct rj_conn rj_rejoin_take(struct rj_rejoin *rejoin)
{
	struct rj_conn conn = RJ_CONN_NONE;

	if (!rejoin->started)
		return conn;
	rj_event_signal(rejoin->stop_fd);
	(void)pthread_join(rejoin->thread, NULL);
	rejoin->started = false;
	rj_close_fd(&rejoin->stop_fd);
	/* The socket is the control link's own, too: nothing is shut down. */
	(void)rj_conn_close(&rejoin->control, 1, NULL);
	if (!rejoin->greeted)
		(void)rj_conn_close(&rejoin->conn, 1, NULL);
	conn = rejoin->conn;
	rejoin->conn = (struct rj_conn)RJ_CONN_NONE;
	return conn;
}
