/* SPDX-License-Identifier: BSD-3-Clause */
/* How a receive worker begins, is stopped alone, and begins anew. */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "engine/link/lane.h"
#include "engine/receive/receiver.h"
#include "ringio/conn_break.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/thread.h"

/* Something to wait on beside the connection: that all shall give up, or, once
 * stop_fd is added, this one. */
static int open_wake(struct rj_receiver *r, struct ramjet_error *err)
{
	struct epoll_event event = { .events = EPOLLIN };

	r->wake_fd = r->env.wake_fd;
	if (r->stop_fd < 0)
		return 0;
	r->wake_fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->wake_fd < 0 ||
	    epoll_ctl(r->wake_fd, EPOLL_CTL_ADD, r->env.wake_fd, &event))
		return rj_fail_errno(err, -errno, "receive worker %u: epoll",
				     r->index);
	return 0;
}

static void close_wake(struct rj_receiver *r)
{
	if (r->stop_fd >= 0)
		rj_close_fd(&r->wake_fd);
}

static int start(struct rj_receiver *r, struct ramjet_error *err)
{
	char name[16];
	int rc;

	(void)snprintf(name, sizeof(name), "rj/recv/%u", r->index);
	rc = rj_thread_start(&r->thread, name, rj_receiver_run, r);
	if (rc)
		return rj_thread_fail(err, rc, "receive worker %u", r->index);
	r->started = true;
	return 0;
}

int rj_receiver_start(struct rj_receiver *r, struct ramjet_error *err)
{
	int rc;

	r->round = r->first_round;
	rc = open_wake(r, err);
	if (!rc)
		rc = start(r, err);
	if (rc)
		close_wake(r);
	return rc;
}

void rj_receiver_stop(struct rj_receiver *r)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (!r->started)
		return;
	atomic_store_explicit(&r->stopping, true, memory_order_relaxed);
	if (rj_conn_break(&r->conn) || r->stop_fd < 0)
		return;
	/* Out of memory: it ends all the same, with the next frame. */
	(void)epoll_ctl(r->wake_fd, EPOLL_CTL_ADD, r->stop_fd, &event);
}

void rj_receiver_join(struct rj_receiver *r)
{
	if (!r->started)
		return;
	(void)pthread_join(r->thread, NULL);
	r->started = false;
	close_wake(r);
}

int rj_receiver_renew(struct rj_receiver *r, const struct rj_conn *conn,
		      uint32_t round, struct ramjet_error *err)
{
	const struct rj_receiver before = *r;

	*r = (struct rj_receiver){
		.env = before.env,
		.memory = before.memory,
		.fences = before.fences,
		.counters = before.counters,
		.conn = *conn,
		.cpus = before.cpus,
		.index = before.index,
		.backend = before.backend,
		.spare_cpu = before.spare_cpu,
		.may_be_lost = true,
		.stop_fd = before.stop_fd,
		.first_round = round,
		.bytes_before = rj_counter(&before.counters->wire_bytes),
		.cpu_us_before = rj_counter(&before.counters->cpu_us),
		.stream_base = before.stream_base,
	};
	rj_lane_move(&r->counters->state, RJ_LANE_REJOINING);
	return rj_receiver_start(r, err);
}
