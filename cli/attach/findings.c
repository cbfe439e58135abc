/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/findings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cli/attach/inject_net.h"
#include "cli/attach/peer.h"
#include "cli/attach/preload.h"
#include "cli/attach/proc.h"
#include "cli/attach/rights.h"
#include "cli/attach/seccomp.h"
#include "util/cleanup.h"
#include "util/error.h"

/* linux/userfaultfd.h since 5.11, 5.19 and 6.7 */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define WP       (UINT64_C(1) << 0)
#define WP_SHMEM (UINT64_C(1) << 12)
#define WP_ASYNC (UINT64_C(1) << 15)

struct finder {
	pid_t pid;
	rj_attach_finding_fn *tell;
	void *user;
};

RJ_PRINTF(3, 4)
static bool say(const struct finder *f, bool ok, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	f->tell(f->user, ok, line);
	return ok;
}

/* ---- the kernel -------------------------------------------------------- */

static int find_features(uint64_t *ret)
{
	struct uffdio_api api = { .api = UFFD_API };
	rj_autoclose int fd = (int)syscall(
		SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		return -errno;
	*ret = api.features;
	return 0;
}

static bool find_kernel(const struct finder *f)
{
	rj_autoclose int own = pidfd_open(getpid(), 0);
	rj_autoclose int again = own < 0 ? -1 : pidfd_getfd(own, own, 0);
	uint64_t features = 0;
	int rc = find_features(&features);

	if (again < 0)
		return say(f, false,
			   "kernel: pidfd_getfd: %s, wanted Linux 5.6",
			   strerrordesc_np(errno));
	if (rc)
		return say(f, false, "kernel: userfaultfd: %s, wanted one",
			   strerrordesc_np(-rc));
	if (!(features & WP) || !(features & WP_SHMEM))
		return say(f, false,
			   "kernel: no write protection of all kinds of memory "
			   "by userfaultfd, wanted Linux 5.19");
	if (!(features & WP_ASYNC))
		return say(f, true,
			   "kernel: write protection by userfaultfd, served by "
			   "a thread (from Linux 6.7 on without one)");
	return say(f, true,
		   "kernel: asynchronous write protection by "
		   "userfaultfd");
}

/* ---- the process ------------------------------------------------------- */

/* Somebody's post-copy or background snapshot: memory has one owner. */
static unsigned count_uffds(pid_t pid)
{
	char path[64];
	char link[64];
	unsigned found = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	for (struct dirent *e; (e = readdir(dir));) {
		const ssize_t bytes = readlinkat(dirfd(dir), e->d_name, link,
						 sizeof(link) - 1);

		link[bytes < 0 ? 0 : bytes] = '\0';
		found += !strcmp(link, "anon_inode:[userfaultfd]");
	}
	(void)closedir(dir);
	return found;
}

static void find_process(const struct finder *f)
{
	const unsigned uffds = count_uffds(f->pid);
	char name[64];

	rj_attach_pid_name(f->pid, name, sizeof(name));
	(void)say(f, true, "process: %d (%s)", (int)f->pid, name);
	if (uffds)
		(void)say(f, true,
			  "process: it has %u userfaultfds of its own; memory "
			  "that is registered with one (post-copy, background "
			  "snapshot) can't be tracked",
			  uffds);
}

/* ---- ptrace ------------------------------------------------------------ */

/* The kernel's own check, made without stopping anything: there is nothing at
 * zero to be read. */
static int try_access(pid_t pid)
{
	char byte;
	struct iovec local = { &byte, 1 };
	struct iovec remote = { NULL, 1 };

	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) >= 0 ||
	    errno == EFAULT)
		return 0;
	return -errno;
}

static bool is_traced(pid_t pid)
{
	rj_autofree char *text = NULL;
	size_t bytes = 0;
	uint64_t tracer = 0;

	return !rj_attach_proc_read(pid, "status", &text, &bytes) &&
	       rj_attach_proc_number(text, "TracerPid", 10, 0, &tracer) &&
	       tracer;
}

static bool find_ptrace(const struct finder *f)
{
	const unsigned filters = rj_seccomp_count(f->pid);
	struct ramjet_error why = { 0 };
	int rc = try_access(f->pid);

	if (!RJ_INJECT_WORKS)
		return say(f, false, "ptrace: for x86-64 only, so far");
	if (!rc && is_traced(f->pid))
		rc = -EPERM;
	if (rc) {
		rc = rj_attach_rights_fail(f->pid, "ptrace", rc, &why);
		return say(f, !rc, "%s", why.message);
	}
	if (filters && rj_seccomp_foreseen(f->pid, &why))
		return say(f, false, "ptrace: %s", why.message);
	return say(f, true, "ptrace: may stop it, to make one system call%s",
		   filters ? "; its seccomp filters are asked first" : "");
}

/* ---- preload ----------------------------------------------------------- */

static bool find_preload(const struct finder *f, const char *socket_path)
{
	struct ramjet_error why = { 0 };
	struct rj_attach_handed handed;
	char path[128];

	rj_attach_preload_path(f->pid, socket_path, path, sizeof(path));
	if (rj_attach_preload_ask(f->pid, path, false, &handed, &why))
		return say(f, false, "%s", why.message);
	rj_close_fd(&handed.mem_fd);
	rj_close_fd(&handed.pagemap_fd);
	return say(f, true, "preload %s: libramjet-vmm.so answers", path);
}

bool rj_attach_findings_tell(pid_t pid, const char *socket_path,
			     rj_attach_finding_fn *tell, void *user)
{
	const struct finder f = { pid, tell, user };
	rj_autoclose int pidfd = pidfd_open(pid, 0);
	bool kernel;
	bool ptrace;
	bool preload;

	if (pidfd < 0)
		return say(&f, false, "process %d: %s, wanted one that runs",
			   (int)pid, strerrordesc_np(errno));
	find_process(&f);
	kernel = find_kernel(&f);
	ptrace = find_ptrace(&f);
	preload = find_preload(&f, socket_path);
	return kernel && (ptrace || preload);
}
