/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/pidfd.h>
#include <sys/uio.h>

#include "cli/attach/inject.h"
#include "cli/attach/peer.h"
#include "cli/attach/preload.h"
#include "cli/attach/proc.h"
#include "cli/attach/rights.h"
#include "util/cleanup.h"
#include "util/error.h"

static int open_file(pid_t pid, const char *name, int flags, int *ret,
		     struct ramjet_error *err)
{
	int fd = rj_attach_proc_open(pid, name, flags);

	if (fd < 0)
		return rj_attach_rights_fail(pid, name, fd, err);
	*ret = fd;
	return 0;
}

/* Nothing is mapped at zero: with the right to read, that is the error. */
static bool can_call(pid_t pid)
{
	char byte;
	struct iovec local = { &byte, 1 };
	struct iovec remote = { NULL, 1 };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) >= 0 ||
	       errno == EFAULT;
}

static int by_ptrace(const struct rj_attach_order *order,
		     struct rj_attach_process *p, struct ramjet_error *err)
{
	struct rj_attach_injected injected = { .uffd = -1 };
	int rc = open_file(p->pid, "mem", O_RDWR, &p->mem_fd, err);

	if (!rc)
		rc = open_file(p->pid, "pagemap", O_RDONLY, &p->pagemap_fd,
			       err);
	if (!rc && order->want_uffd)
		rc = rj_attach_inject(p->pid, p->pidfd, NULL, &injected, err);
	if (rc)
		return rc;
	p->via = RJ_ATTACH_PTRACE;
	p->uffd = injected.uffd;
	p->kernel_faults = injected.kernel_faults;
	p->held_us = injected.held_us;
	return 0;
}

static int by_preload(const struct rj_attach_order *order,
		      struct rj_attach_process *p, struct ramjet_error *err)
{
	struct rj_attach_handed handed;
	char path[128];
	int rc;

	rj_attach_preload_path(p->pid, order->socket_path, path, sizeof(path));
	rc = rj_attach_preload_ask(p->pid, path, order->want_uffd, &handed,
				   err);
	if (rc)
		return rc;
	p->via = RJ_ATTACH_PRELOAD;
	p->uffd = handed.uffd;
	p->mem_fd = handed.mem_fd;
	p->pagemap_fd = handed.pagemap_fd;
	p->kernel_faults = handed.kernel_faults;
	return 0;
}

static int open_by(const struct rj_attach_order *order,
		   struct rj_attach_process *p, struct ramjet_error *err)
{
	struct ramjet_error why = { 0 };
	int rc;

	if (order->via == RJ_ATTACH_PTRACE)
		return by_ptrace(order, p, err);
	rc = by_preload(order, p, &why);
	if (!rc || order->via == RJ_ATTACH_PRELOAD ||
	    (rc != -ENOENT && order->socket_path))
		return rc ? rj_fail(err, rc, "%s", why.message) : 0;
	/* Which of the two is missing can't be known; ptrace needs nothing to be
	 * set up, and its message says what else would do. */
	return by_ptrace(order, p, err);
}

int rj_attach_process_open(const struct rj_attach_order *order,
			   struct rj_attach_process *ret,
			   struct ramjet_error *err)
{
	struct rj_attach_process p = RJ_ATTACH_PROCESS_NONE;
	int rc;

	p.pid = order->pid;
	p.pidfd = pidfd_open(p.pid, 0);
	if (p.pidfd < 0)
		return rj_fail_wanted(err, -errno, "one that runs",
				      "process %d", (int)p.pid);
	rj_attach_pid_name(p.pid, p.name, sizeof(p.name));
	rc = open_by(order, &p, err);
	/* What was opened by number belongs to who had the number then. */
	if (!rc && !rj_attach_process_lives(&p))
		rc = rj_fail(err, -ESRCH,
			     "process %d (%s) has ended, wanted it to live",
			     (int)p.pid, p.name);
	if (rc) {
		rj_attach_process_close(&p);
		return rc;
	}
	p.vm_calls = can_call(p.pid);
	*ret = p;
	return 0;
}

void rj_attach_process_close(struct rj_attach_process *process)
{
	rj_close_fd(&process->uffd);
	rj_close_fd(&process->mem_fd);
	rj_close_fd(&process->pagemap_fd);
	rj_close_fd(&process->pidfd);
}

bool rj_attach_process_lives(const struct rj_attach_process *process)
{
	struct pollfd look = { .fd = process->pidfd, .events = POLLIN };

	return process->pidfd >= 0 && poll(&look, 1, 0) == 0;
}
