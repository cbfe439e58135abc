/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/link_wait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "engine/link/event.h"
#include "util/clock.h"
#include "util/error.h"

static int wait_readable(struct rj_link *link, uint64_t deadline_ns)
{
	int timeout_ms = -1;
	struct pollfd fds[2] = { [1] = { .fd = link->wake_fd,
					 .events = POLLIN } };

	if (deadline_ns) {
		const uint64_t now = rj_now_ns();
		uint64_t left_ms;

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		left_ms = (deadline_ns - now) / 1000000 + 1;
		timeout_ms = left_ms < INT_MAX ? (int)left_ms : INT_MAX;
	}
	fds[0] = link->inbox ? (struct pollfd){ .fd = link->inbox->event_fd,
						.events = POLLIN }
			     : rj_link_pollfd(link, &timeout_ms);
	if (poll(fds, 2, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	if (link->inbox)
		rj_event_clear(link->inbox->event_fd);
	return fds[1].revents ? -ECANCELED : 0;
}

int rj_link_wait(struct rj_link *link, uint64_t deadline_ns,
		 struct rj_message *ret, struct ramjet_error *err)
{
	int rc;

	for (;;) {
		rc = rj_link_poll(link, ret, err);
		if (rc)
			return rc > 0 ? 0 : rc;
		rc = wait_readable(link, deadline_ns);
		if (rc == -ETIMEDOUT)
			return rj_fail(err, rc,
				       "control link: no answer in time");
		if (rc)
			return rj_fail_errno(err, rc, "control link: waiting");
	}
}
