/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/ring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A send, a receive, a poll, and a cancel for each: with room to spare. */
#define RING_ENTRIES    16u
#define RING_CQ_ENTRIES 64u

/*
 * TASKRUN_FLAG lets us see without a system call whether completions wait to
 * be run, which rj_channel_send_pending() lives on.
 */
#define COMMON                                           \
	(IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | \
	 IORING_SETUP_TASKRUN_FLAG)

static const struct {
	unsigned flags;
	const char *granted;
} ladder[] = {
	{ COMMON | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	  "single-issuer, defer-taskrun" },
	{ COMMON | IORING_SETUP_COOP_TASKRUN, "coop-taskrun" },
	{ 0, "no flags" },
};

/*
 * liburing maps its rings with raw system calls, which ThreadSanitizer does
 * not see: a ring at an address that was mapped, used and unmapped before
 * looks raced with that mapping. Each ring has one user, its worker; so what
 * is read from the ring itself is exempt, by liburing's inline functions and
 * by complete() of channel_uring.c, which looks at one completion; no more.
 */
#ifdef RJ_TSAN
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
	return "race:/liburing.h\n"
	       "race:^complete$\n";
}
#endif

int rj_ring_open(struct io_uring *ret, const char **ret_granted)
{
	int rc = -EINVAL;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(ladder) && rc == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = ladder[i].flags,
			.cq_entries = RING_CQ_ENTRIES,
		};

		rc = io_uring_queue_init_params(RING_ENTRIES, ret, &params);
		*ret_granted = ladder[i].granted;
	}
	if (!rc) /* saves a lookup a call; refused by old kernels */
		(void)io_uring_register_ring_fd(ret);
	return rc;
}

void rj_ring_close(struct io_uring *ring)
{
	io_uring_queue_exit(ring);
}

void rj_ring_explain(int rc, char *text, size_t size)
{
	const char *hint = rc == -EPERM    ? " (seccomp or "
					     "kernel.io_uring_disabled)"
			   : rc == -ENOMEM ? " (memlock limit)"
					   : "";
	char error[64];

	(void)snprintf(text, size, "%s%s",
		       strerror_r(-rc, error, sizeof(error)), hint);
}
