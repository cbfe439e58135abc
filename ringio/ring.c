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
 * looks raced. Tell it that this memory is new.
 */
#ifdef RJ_TSAN
void AnnotateNewMemory(const char *file, int line, const volatile void *memory,
		       size_t bytes);

static void declare_new(const struct io_uring *ring)
{
	AnnotateNewMemory(__FILE__, __LINE__, ring->sq.ring_ptr,
			  ring->sq.ring_sz);
	AnnotateNewMemory(__FILE__, __LINE__, ring->cq.ring_ptr,
			  ring->cq.ring_sz);
	AnnotateNewMemory(__FILE__, __LINE__, ring->sq.sqes,
			  RING_ENTRIES * sizeof(struct io_uring_sqe));
}
#else
static void declare_new(RJ_UNUSED const struct io_uring *ring)
{
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
	if (!rc)
		declare_new(ret);
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
