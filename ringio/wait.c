/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/wait.h"

#include <errno.h>
#include <poll.h>

#include "util/clock.h"

static struct timespec time_left(uint64_t deadline_ns)
{
	uint64_t now = rj_now_ns();
	uint64_t left = deadline_ns > now ? deadline_ns - now : 0;

	return (struct timespec){
		.tv_sec = (time_t)(left / 1000000000u),
		.tv_nsec = (long)(left % 1000000000u),
	};
}

int rj_wait_fd(int fd, short events, uint64_t deadline_ns, int wake_fd)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = events },
		{ .fd = wake_fd, .events = POLLIN },
	};

	for (;;) {
		struct timespec left = time_left(deadline_ns);
		int n = ppoll(fds, 2, deadline_ns ? &left : NULL, NULL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[1].revents)
			return -ECANCELED;
		if (n > 0)
			return fds[0].revents & POLLNVAL ? -EBADF : 0;
		if (deadline_ns && rj_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
	}
}
