/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/remote/lifter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dirty/uapi.h"
#include "dirty/write_protect.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/thread.h"

/* Faults taken with one system call. Chosen: as many as a machine may have vCPUs
 * that wait at once. */
#define MESSAGES 64u

static void lift(struct rj_lifter *lifter, uint64_t address)
{
	const uint64_t unit = lifter->unit(lifter->user, address);
	const uint64_t start = address & ~(unit - 1);

	rj_wp_lift(lifter->uffd, start, unit);
	atomic_fetch_add_explicit(&lifter->lifted, 1, memory_order_relaxed);
}

/* All faults that are reported now. 0 or a negative errno. */
static int serve(struct rj_lifter *lifter)
{
	struct uffd_msg messages[MESSAGES];

	for (;;) {
		const ssize_t n =
			read(lifter->uffd, messages, sizeof(messages));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		for (size_t i = 0; i < (size_t)n / sizeof(*messages); i++)
			if (messages[i].event == UFFD_EVENT_PAGEFAULT)
				lift(lifter, messages[i].arg.pagefault.address);
	}
}

static void *run(void *user)
{
	struct rj_lifter *lifter = user;
	struct pollfd fds[] = {
		{ .fd = lifter->uffd, .events = POLLIN },
		{ .fd = lifter->stop_fd, .events = POLLIN },
	};
	int rc = 0;

	while (!rc && !fds[1].revents) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			rc = -errno;
		/* POLLERR: of a process that is gone, too. */
		else if (fds[0].revents & (POLLERR | POLLHUP | POLLNVAL))
			rc = -EIO;
		else if (fds[0].revents)
			rc = serve(lifter);
	}
	atomic_store_explicit(&lifter->failure, rc, memory_order_release);
	return NULL;
}

static int make_nonblocking(int fd, struct ramjet_error *err)
{
	const int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return 0;
	return rj_fail_errno(err, -errno, "userfaultfd: O_NONBLOCK");
}

int rj_lifter_start(struct rj_lifter *lifter, int uffd, rj_lifter_unit_fn *unit,
		    const void *user, struct ramjet_error *err)
{
	int rc = make_nonblocking(uffd, err);

	if (rc)
		return rc;
	*lifter = (struct rj_lifter){
		.uffd = uffd,
		.unit = unit,
		.user = user,
		.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	if (lifter->stop_fd < 0)
		return rj_fail_errno(err, -errno, "userfaultfd: an eventfd");
	rc = rj_thread_start(&lifter->thread, "rj/lift", run, lifter);
	if (rc) {
		rj_close_fd(&lifter->stop_fd);
		return rj_thread_fail(err, rc, "userfaultfd: its thread");
	}
	lifter->running = true;
	return 0;
}

void rj_lifter_stop(struct rj_lifter *lifter)
{
	const uint64_t one = 1;

	if (!lifter->running)
		return;
	/* Of an eventfd that counts 0, this cannot fail. */
	if (write(lifter->stop_fd, &one, sizeof(one)) == sizeof(one))
		(void)pthread_join(lifter->thread, NULL);
	rj_close_fd(&lifter->stop_fd);
	lifter->running = false;
}
