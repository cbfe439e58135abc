/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/ring.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "util/valgrind.h"

/* A send, a receive, a poll, and a cancel for each: with room to spare; and
 * completions of zero copy that come late. Chosen. */
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
#define NO_FLAGS (RJ_ARRAY_SIZE(ladder) - 1)

/*
 * liburing maps its rings with raw system calls, which ThreadSanitizer does
 * not see: a ring at an address that was mapped, used and unmapped before
 * looks raced with that mapping. Each ring has one user, its worker; so what
 * is read from the ring itself is exempt, by liburing's inline functions and
 * by complete() of channel_uring.c and one_result(), which look at one
 * completion; no more.
 *
 * Where the compiler has merged what several of those functions do, no name is
 * left of them. So it is also told, of each ring that is closed and each that
 * is opened, that the one was before: it was, wherever they share an address.
 */
#ifdef RJ_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);

static char addresses;

static void take_address(void)
{
	__tsan_acquire(&addresses);
}

static void give_address_back(void)
{
	__tsan_release(&addresses);
}

const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
	return "race:/liburing.h\n"
	       "race:^complete$\n"
	       "race:^one_result$\n";
}
#else
static void take_address(void)
{
}

static void give_address_back(void)
{
}
#endif

/* Trial requests complete at once: one that takes longer has failed. Chosen. */
#define TRIAL_S 1

/* What channels cannot do without. */
static const struct {
	int opcode;
	const char *name;
} needed[] = {
	{ IORING_OP_NOP, "io_uring_enter" },
	{ IORING_OP_SENDMSG, "sendmsg by io_uring" },
	{ IORING_OP_RECVMSG, "recvmsg by io_uring" },
	{ IORING_OP_WRITEV, "writev by io_uring" },
	{ IORING_OP_READV, "readv by io_uring" },
	{ IORING_OP_POLL_ADD, "poll by io_uring" },
	{ IORING_OP_ASYNC_CANCEL, "cancelling by io_uring" },
};

/*
 * valgrind runs one thread at a time and, up to 3.19 at least, does not know
 * that io_uring_enter() may sleep: whoever sleeps there would stop all
 * threads, the one included that is to send what is waited for. poll() it
 * knows; and only a ring without flags wakes who polls it, the others leave
 * work undone until they are entered.
 */
static int wait_by_poll(struct io_uring *ring,
			const struct __kernel_timespec *timeout)
{
	struct pollfd completed = { .fd = ring->ring_fd, .events = POLLIN };
	struct timespec left = { 0 };
	struct io_uring_cqe *cqe;
	int rc = io_uring_submit(ring);

	if (rc < 0 || !io_uring_peek_cqe(ring, &cqe))
		return rc < 0 ? rc : 0;
	if (timeout)
		left = (struct timespec){
			.tv_sec = (time_t)timeout->tv_sec,
			.tv_nsec = (long)timeout->tv_nsec,
		};
	rc = ppoll(&completed, 1, timeout ? &left : NULL, NULL);
	return rc < 0 ? -errno : rc ? 0 : -ETIME;
}

int rj_ring_wait(struct io_uring *ring, struct __kernel_timespec *timeout)
{
	struct io_uring_cqe *cqe;
	int rc;

	if (rj_in_valgrind())
		return wait_by_poll(ring, timeout);
	rc = io_uring_submit_and_wait_timeout(ring, &cqe, 1, timeout, NULL);
	return rc < 0 ? rc : 0;
}

/* And the notification that a zero-copy send has after it, or before. */
static int one_result(struct io_uring *ring, int *ret)
{
	struct __kernel_timespec timeout = { .tv_sec = TRIAL_S };
	struct io_uring_cqe *cqe;
	bool is_result = false;
	int more = 0, rc;

	while (!is_result || more > 0) {
		rc = rj_ring_wait(ring, &timeout);
		if (rc && rc != -EINTR)
			return rc;
		if (io_uring_peek_cqe(ring, &cqe))
			continue;
		if (cqe->flags & IORING_CQE_F_NOTIF) {
			more--;
		} else {
			*ret = cqe->res;
			is_result = true;
			more += cqe->flags & IORING_CQE_F_MORE ? 1 : 0;
		}
		io_uring_cqe_seen(ring, cqe);
	}
	return 0;
}

int rj_ring_try(struct io_uring *ring, int opcode)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct msghdr message = { 0 };
	struct iovec none = { 0 };
	int rc, result = 0;

	if (!sqe)
		return -EBUSY;
	/* No file: so it is refused, but not as something unknown. */
	io_uring_prep_rw(opcode, sqe, -1, &none, 1, 0);
	if (opcode == IORING_OP_SENDMSG || opcode == IORING_OP_RECVMSG ||
	    opcode == IORING_OP_SENDMSG_ZC)
		io_uring_prep_rw(opcode, sqe, -1, &message, 1, 0);
	else if (opcode == IORING_OP_POLL_ADD || opcode == IORING_OP_NOP ||
		 opcode == IORING_OP_ASYNC_CANCEL)
		io_uring_prep_rw(opcode, sqe, -1, NULL, 0, 0);
	io_uring_sqe_set_data64(sqe, 0);
	rc = one_result(ring, &result);
	if (rc)
		return rc;
	return result == -EINVAL || result == -EOPNOTSUPP ? -EOPNOTSUPP : 0;
}

static int try_needed(struct io_uring *ring, const char **ret_refused)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(needed); i++) {
		const int rc = rj_ring_try(ring, needed[i].opcode);

		if (!rc)
			continue;
		*ret_refused = needed[i].name;
		return rc;
	}
	return 0;
}

int rj_ring_open(struct io_uring *ret, const char **ret_granted)
{
	int rc = -EINVAL;

	for (size_t i = rj_in_valgrind() ? NO_FLAGS : 0;
	     i < RJ_ARRAY_SIZE(ladder) && rc == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = ladder[i].flags,
			.cq_entries = RING_CQ_ENTRIES,
		};

		rc = io_uring_queue_init_params(RING_ENTRIES, ret, &params);
		*ret_granted = ladder[i].granted;
	}
	if (rc) {
		*ret_granted = "io_uring_setup";
		return rc;
	}
	take_address();
	/* saves a lookup a call; refused by old kernels */
	(void)io_uring_register_ring_fd(ret);
	rc = try_needed(ret, ret_granted);
	if (rc)
		rj_ring_close(ret);
	return rc;
}

void rj_ring_close(struct io_uring *ring)
{
	give_address_back();
	io_uring_queue_exit(ring);
}

void rj_ring_explain(int rc, const char *refused, char *text, size_t size)
{
	const char *hint = rc == -EPERM    ? " (seccomp or "
					     "kernel.io_uring_disabled)"
			   : rc == -ENOMEM ? " (memlock limit)"
					   : "";
	char error[64];

	(void)snprintf(text, size, "%s: %s%s", refused,
		       strerror_r(-rc, error, sizeof(error)), hint);
}
