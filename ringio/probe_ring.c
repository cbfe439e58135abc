/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/probe_ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "ringio/ring.h"

/* The kernel's, newer than liburing 2.3, and not what IORING_REGISTER_PROBE
 * tells about. */
#define SEND_ZC_REPORT_USAGE (1U << 3)
#define NOTIF_ZC_COPIED      (1U << 31)

/* Chosen: several pages, and it fits into any socket's buffer. */
#define PAYLOAD_BYTES 65536u

static bool no_ring(const struct rj_probe *probe, char *result, size_t size)
{
	if (!probe->ring_rc)
		return false;
	(void)snprintf(result, size, "no io_uring");
	return true;
}

bool rj_probe_ring(struct rj_probe *probe, char *result, size_t size)
{
	if (probe->ring_rc) {
		rj_ring_explain(probe->ring_rc, probe->granted, result, size);
		return false;
	}
	(void)snprintf(result, size, "%s", probe->granted);
	return true;
}

static bool try_setup(unsigned flags, char *result, size_t size)
{
	struct io_uring ring;
	int rc = io_uring_queue_init(4, &ring, flags);

	if (rc)
		return rj_probe_refused(rc, result, size);
	io_uring_queue_exit(&ring);
	(void)snprintf(result, size, "granted");
	return true;
}

bool rj_probe_single_issuer(struct rj_probe *probe, char *result, size_t size)
{
	return !no_ring(probe, result, size) &&
	       try_setup(IORING_SETUP_SINGLE_ISSUER, result, size);
}

bool rj_probe_defer_taskrun(struct rj_probe *probe, char *result, size_t size)
{
	return !no_ring(probe, result, size) &&
	       try_setup(IORING_SETUP_SINGLE_ISSUER |
				 IORING_SETUP_DEFER_TASKRUN,
			 result, size);
}

static bool has_opcode(struct rj_probe *probe, int opcode, char *result,
		       size_t size)
{
	int rc;

	if (no_ring(probe, result, size))
		return false;
	/* Tried: what the kernel says of itself may be forbidden to read. */
	rc = rj_ring_try(&probe->ring, opcode);
	if (rc && rc != -EOPNOTSUPP)
		return rj_probe_refused(rc, result, size);
	(void)snprintf(result, size, "opcode %d %s", opcode,
		       rc ? "not known to this kernel" : "known");
	return !rc;
}

bool rj_probe_sendmsg(struct rj_probe *probe, char *result, size_t size)
{
	return has_opcode(probe, IORING_OP_SENDMSG, result, size);
}

bool rj_probe_recvmsg(struct rj_probe *probe, char *result, size_t size)
{
	return has_opcode(probe, IORING_OP_RECVMSG, result, size);
}

bool rj_probe_send_zc(struct rj_probe *probe, char *result, size_t size)
{
	return has_opcode(probe, IORING_OP_SEND_ZC, result, size);
}

bool rj_probe_sendmsg_zc(struct rj_probe *probe, char *result, size_t size)
{
	return has_opcode(probe, IORING_OP_SENDMSG_ZC, result, size);
}

bool rj_probe_bundles(struct rj_probe *probe, char *result, size_t size)
{
	bool has;

	if (no_ring(probe, result, size))
		return false;
	has = probe->ring.features & IORING_FEAT_RECVSEND_BUNDLE;
	(void)snprintf(result, size, "feature bit %s",
		       has ? "set" : "not set by this kernel");
	return has;
}

/* One completion within a second, or -ETIME. */
static int next_result(struct io_uring *ring, struct io_uring_cqe *ret)
{
	struct __kernel_timespec second = { .tv_sec = 1 };
	struct io_uring_cqe *cqe;
	int rc;

	do {
		rc = rj_ring_wait(ring, &second);
	} while (rc == -EINTR || (!rc && io_uring_peek_cqe(ring, &cqe)));
	if (rc)
		return rc;
	*ret = *cqe;
	io_uring_cqe_seen(ring, cqe);
	return 0;
}

/* The send's own result, then word that the memory is free again. */
static int send_registered(struct rj_probe *probe, const void *payload,
			   bool *ret_copied)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&probe->ring);
	struct io_uring_cqe cqe;
	int rc;

	if (!sqe)
		return -EBUSY;
	io_uring_prep_send_zc_fixed(sqe, probe->source.fd, payload,
				    PAYLOAD_BYTES, MSG_WAITALL | MSG_NOSIGNAL,
				    SEND_ZC_REPORT_USAGE, 0);
	rc = next_result(&probe->ring, &cqe);
	if (rc || cqe.res < 0)
		return rc ? rc : cqe.res;
	if (!(cqe.flags & IORING_CQE_F_MORE))
		return -EPROTO;
	rc = next_result(&probe->ring, &cqe);
	if (rc)
		return rc;
	if (!(cqe.flags & IORING_CQE_F_NOTIF))
		return -EPROTO;
	*ret_copied = (uint32_t)cqe.res & NOTIF_ZC_COPIED;
	return 0;
}

static int register_and_send(struct rj_probe *probe, void *payload,
			     bool *ret_copied)
{
	struct iovec iov = { payload, PAYLOAD_BYTES };
	char *got = malloc(PAYLOAD_BYTES);
	int rc;

	if (!got)
		return -ENOMEM;
	memset(payload, 0x5a, PAYLOAD_BYTES);
	rc = io_uring_register_buffers(&probe->ring, &iov, 1);
	if (!rc) {
		rc = send_registered(probe, payload, ret_copied);
		(void)io_uring_unregister_buffers(&probe->ring);
	}
	if (!rc)
		rc = rj_recv_all(&probe->target, got, PAYLOAD_BYTES, 0, -1);
	if (!rc && memcmp(got, payload, PAYLOAD_BYTES))
		rc = -EBADMSG;
	free(got);
	return rc;
}

bool rj_probe_registered_zc(struct rj_probe *probe, char *result, size_t size)
{
	bool copied = false;
	void *payload;
	int rc;

	if (no_ring(probe, result, size))
		return false;
	if (probe->pair_rc)
		return rj_probe_refused(probe->pair_rc, result, size);
	payload = mmap(NULL, PAYLOAD_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (payload == MAP_FAILED)
		return rj_probe_refused(-errno, result, size);
	rc = register_and_send(probe, payload, &copied);
	(void)munmap(payload, PAYLOAD_BYTES);
	if (rc)
		return rj_probe_refused(rc, result, size);
	(void)snprintf(result, size, "sent over loopback%s",
		       copied ? ", which copies late" : "");
	return true;
}
