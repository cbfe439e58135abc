/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/intake.h"

#include <errno.h>
#include <string.h>

#include "engine/link/event.h"
#include "util/cleanup.h"
#include "util/error.h"

int rj_intake_init(struct rj_intake *intake, struct ramjet_error *err)
{
	rj_mutex_init(&intake->lock);
	intake->closed = false;
	intake->count = 0;
	intake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (intake->fd >= 0)
		return 0;
	rj_mutex_done(&intake->lock);
	return rj_fail_errno(err, -errno, "migration: eventfd");
}

void rj_intake_done(struct rj_intake *intake)
{
	if (intake->fd < 0)
		return;
	rj_intake_close(intake);
	rj_close_fd(&intake->fd);
	rj_mutex_done(&intake->lock);
}

int rj_intake_give(struct rj_intake *intake, const struct rj_arrival *arrival,
		   struct ramjet_error *err)
{
	int rc = 0;

	rj_lock(&intake->lock);
	if (intake->closed)
		rc = -EALREADY;
	else if (intake->count == RJ_INTAKE_MAX)
		rc = -EBUSY;
	else
		intake->waiting[intake->count++] = *arrival;
	rj_unlock(&intake->lock);
	if (!rc) {
		rj_event_signal(intake->fd);
		return 0;
	}
	if (rc == -EALREADY)
		return rj_fail(err, rc,
			       "connection: the session has all it needs, or "
			       "has ended; no more are wanted");
	return rj_fail(err, rc, "connection: %d wait already, none more now",
		       RJ_INTAKE_MAX);
}

bool rj_intake_take(struct rj_intake *intake, struct rj_arrival *ret)
{
	bool is_there;

	rj_lock(&intake->lock);
	is_there = intake->count > 0;
	if (is_there) {
		*ret = intake->waiting[0];
		intake->count--;
		memmove(intake->waiting, intake->waiting + 1,
			intake->count * sizeof(*intake->waiting));
	}
	/* Under the lock: or one that is given now would not be told of. */
	if (!intake->count)
		rj_event_clear(intake->fd);
	rj_unlock(&intake->lock);
	return is_there;
}

void rj_intake_close(struct rj_intake *intake)
{
	struct rj_arrival arrival;

	if (intake->fd < 0)
		return;
	rj_lock(&intake->lock);
	intake->closed = true;
	rj_unlock(&intake->lock);
	while (rj_intake_take(intake, &arrival))
		(void)rj_conn_close(&arrival.conn, 0, NULL);
}
