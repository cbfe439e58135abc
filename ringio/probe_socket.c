/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/probe_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ringio/tcp.h"
#include "util/cleanup.h"

/* Chosen: more than 32 bits hold, and nothing that a kernel would have by
 * itself. */
#define PROBE_RATE UINT64_C(12345678901)
/* A registered buffer is at most this long: the kernel's. */
#define PIECE_BYTES (UINT64_C(1) << 30)

static bool no_pair(const struct rj_probe *probe, char *result, size_t size)
{
	if (!probe->pair_rc)
		return false;
	(void)snprintf(result, size, "no TCP here: %.100s",
		       probe->pair_error.message);
	return true;
}

bool rj_probe_pacing(struct rj_probe *probe, char *result, size_t size)
{
	socklen_t bytes = sizeof(uint64_t);
	uint64_t pace = 0;
	int rc;

	if (no_pair(probe, result, size))
		return false;
	rc = rj_tcp_set_rate(probe->source.fd, PROBE_RATE);
	if (!rc && getsockopt(probe->source.fd, SOL_SOCKET, SO_MAX_PACING_RATE,
			      &pace, &bytes))
		rc = -errno;
	if (rc)
		return rj_probe_refused(rc, result, size);
	(void)snprintf(result, size, "SO_MAX_PACING_RATE keeps %u bits",
		       pace == PROBE_RATE ? 64u : 32u);
	return pace == PROBE_RATE;
}

bool rj_probe_notsent_lowat(struct rj_probe *probe, char *result, size_t size)
{
	const uint32_t lowat = 1u << 17;

	if (no_pair(probe, result, size))
		return false;
	if (setsockopt(probe->source.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat,
		       sizeof(lowat)))
		return rj_probe_refused(-errno, result, size);
	(void)snprintf(result, size, "TCP_NOTSENT_LOWAT set");
	return true;
}

bool rj_probe_vsock(struct rj_probe *probe, char *result, size_t size)
{
	rj_autoclose int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rj_autoclose int device = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
	unsigned cid = VMADDR_CID_ANY;
	char error[64];

	(void)probe;
	if (fd < 0)
		return rj_probe_refused(-errno, result, size);
	if (device < 0 || ioctl(device, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid)) {
		int rc = -errno;

		(void)snprintf(result, size, "sockets; /dev/vsock: %s",
			       strerror_r(-rc, error, sizeof(error)));
		return rc == -EACCES; /* others may still know our CID */
	}
	if (cid == VMADDR_CID_ANY)
		(void)snprintf(result, size, "sockets, but no transport");
	else
		(void)snprintf(result, size, "this host is CID %u", cid);
	return cid != VMADDR_CID_ANY;
}

/* Last, since it changes the connection for good. */
bool rj_probe_ktls(struct rj_probe *probe, char *result, size_t size)
{
	if (no_pair(probe, result, size))
		return false;
	if (setsockopt(probe->source.fd, IPPROTO_TCP, TCP_ULP, "tls", 4)) {
		if (errno != ENOENT)
			return rj_probe_refused(-errno, result, size);
		(void)snprintf(result, size, "kernel built or run without tls");
		return false;
	}
	(void)snprintf(result, size, "TCP_ULP tls set");
	return true;
}

/*
 * CAP_IPC_LOCK counts only in the initial user namespace, and the bit does not
 * tell in which one it was given: so try to lock more than the limit, without
 * touching it.
 */
static bool is_limit_lifted(uint64_t limit)
{
	const size_t bytes = (size_t)limit + RAMJET_PAGE_BYTES;
	bool lifted;
	void *memory;

	if (bytes < limit)
		return false;
	memory = mmap(NULL, bytes, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	lifted = !mlock2(memory, bytes, MLOCK_ONFAULT);
	(void)munmap(memory, bytes);
	return lifted;
}

bool rj_probe_memlock(struct rj_probe *probe, char *result, size_t size)
{
	struct rlimit limit;
	bool lifted;

	(void)probe;
	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return rj_probe_refused(-errno, result, size);
	if (limit.rlim_cur == RLIM_INFINITY) {
		(void)snprintf(result, size, "unlimited");
		return true;
	}
	lifted = is_limit_lifted(limit.rlim_cur);
	(void)snprintf(result, size, "%llu KiB%s",
		       (unsigned long long)limit.rlim_cur >> 10,
		       lifted ? ", but not for this process (tried)" : "");
	return lifted || limit.rlim_cur >= PIECE_BYTES;
}
