/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libramjet-vmm.so: LD_PRELOADed into a VMM, so that ramjet needs no ptrace to
 * move it. One thread waits on a socket and hands out what only the process
 * itself can make or open (vmm.h). Nothing else of the VMM is touched: the
 * thread takes no signals, descriptors are close-on-exec, children of the VMM
 * are started without this. What it needs from files is opened at the start, before
 * a sandbox, a chroot or another user could forbid that.
 */
#include "cli/attach/vmm/vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "util/socket_file.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#define UFFD_FLAGS (O_CLOEXEC | O_NONBLOCK)
#define SELF       "libramjet-vmm"
/* The peer's byte comes with its connection; others wait for no longer. */
#define PATIENCE_S 1
/* Until descriptors may be there again. */
#define NAP_MS 100

static struct {
	pid_t pid;    /* whose thread it is; 0: none */
	bool session; /* this is a fork of that one, and leads a session */
	struct rj_socket_file file;
	int listener;
	ino_t inode; /* of the listener: its number might be closed and reused */
	int fds[RJ_VMM_FDS_MAX]; /* memory, page map, /dev/userfaultfd or -1 */
} vmm = { .listener = -1, .fds = { -1, -1, -1 } };

/* ---- what is handed out ------------------------------------------------ */

/* The device first: opening it was checked at the start, while the system call
 * may be forbidden by now. */
static int new_uffd(struct rj_vmm_answer *answer)
{
	long fd = -1;

	answer->kernel_faults = 1;
	if (vmm.fds[2] >= 0)
		fd = ioctl(vmm.fds[2], USERFAULTFD_IOC_NEW, UFFD_FLAGS);
	if (fd < 0)
		fd = syscall(SYS_userfaultfd, UFFD_FLAGS);
	if (fd >= 0)
		return (int)fd;
	answer->kernel_faults = 0;
	fd = syscall(SYS_userfaultfd, UFFD_FLAGS | UFFD_USER_MODE_ONLY);
	if (fd < 0)
		answer->error = errno;
	return (int)fd;
}

static void send_answer(int fd, const struct rj_vmm_answer *answer,
			const int *fds, size_t count)
{
	union {
		char bytes[CMSG_SPACE(sizeof(vmm.fds))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec io = { (void *)(uintptr_t)answer, sizeof(*answer) };
	struct msghdr header = { .msg_iov = &io, .msg_iovlen = 1 };

	if (count) {
		struct cmsghdr *c = &control.align;

		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(count * sizeof(*fds));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(*fds));
		memcpy(CMSG_DATA(c), fds, count * sizeof(*fds));
	}
	(void)sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool may_ask(int fd)
{
	struct ucred peer = { 0 };
	socklen_t bytes = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) &&
	       bytes == sizeof(peer) && (peer.uid == geteuid() || !peer.uid);
}

static void serve_one(int fd)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct rj_vmm_answer answer = { .version = RJ_VMM_VERSION };
	int fds[RJ_VMM_FDS_MAX] = { vmm.fds[0], vmm.fds[1], -1 };
	char ask = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			 sizeof(patience));
	if (!may_ask(fd) || recv(fd, &ask, 1, 0) != 1)
		return;
	if (fds[0] < 0 || fds[1] < 0)
		answer.error = EACCES;
	else if (ask == RJ_VMM_ASK_ALL)
		fds[2] = new_uffd(&answer);
	else if (ask != RJ_VMM_ASK_MEMORY)
		answer.error = EINVAL;
	send_answer(fd, &answer, fds,
		    answer.error ? 0 : 2 + (ask == RJ_VMM_ASK_ALL));
	rj_close_fd(&fds[2]);
}

static bool is_there(void)
{
	struct stat status;

	return !fstat(vmm.listener, &status) && status.st_ino == vmm.inode;
}

static void *serve(void *unused)
{
	struct pollfd wait = { .fd = vmm.listener, .events = POLLIN };

	while (is_there()) {
		rj_autoclose int fd = -1;

		(void)poll(&wait, 1, -1);
		if (!is_there())
			break;
		fd = accept4(vmm.listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			serve_one(fd);
		else
			(void)poll(NULL, 0, NAP_MS);
	}
	return unused; /* the VMM has closed what it did not open */
}

/* ---- the start --------------------------------------------------------- */

/* As rj_attach_preload_path() of who asks. */
static void choose_path(char *path, size_t bytes)
{
	const char *pattern = getenv(RJ_VMM_ENVIRONMENT);
	const char *mark = pattern ? strstr(pattern, "%p") : NULL;
	const char *folder = getenv("XDG_RUNTIME_DIR");
	const uid_t uid = getuid();
	char base[80];

	if (mark)
		(void)snprintf(path, bytes, "%.*s%d%s", (int)(mark - pattern),
			       pattern, (int)getpid(), mark + 2);
	else if (pattern)
		(void)snprintf(path, bytes, "%s", pattern);
	if (pattern)
		return;
	if (uid)
		(void)snprintf(base, sizeof(base), "/run/user/%u", uid);
	else
		(void)snprintf(base, sizeof(base), "/run");
	(void)snprintf(path, bytes, "%s/ramjet", folder ? folder : base);
	(void)mkdir(path, S_IRWXU);
	(void)snprintf(path, bytes, "%s/ramjet/vmm-%d.sock",
		       folder ? folder : base, (int)getpid());
}

static int start_thread(void)
{
	pthread_t thread;
	sigset_t all;
	sigset_t before;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, NULL, serve, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return rc;
	(void)pthread_setname_np(thread, "rj/vmm");
	return pthread_detach(thread);
}

static void start(void)
{
	struct ramjet_error err = { 0 };
	char path[sizeof(vmm.file.path) + 1];
	struct stat status = { 0 };

	choose_path(path, sizeof(path));
	vmm.fds[0] = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	vmm.fds[1] = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	vmm.fds[2] = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	vmm.listener = rj_socket_file_listen(path, path, &vmm.file, &err);
	if (vmm.listener >= 0 && !fstat(vmm.listener, &status))
		vmm.inode = status.st_ino;
	if (vmm.listener < 0 || start_thread()) {
		(void)dprintf(STDERR_FILENO, SELF ": %s\n",
			      err.code ? err.message : "no thread");
		return;
	}
	vmm.pid = getpid();
}

static void stop(void)
{
	if (vmm.pid == getpid())
		rj_socket_file_unlink(&vmm.file);
}

/* Out of LD_PRELOAD, where others may be as well. */
static void leave_environment(void)
{
	const char *list = getenv("LD_PRELOAD");
	char *rest = list ? strdup(list) : NULL;
	char *at = rest;

	while (at && *at) {
		const size_t length = strcspn(at, ": ");
		const size_t after = length + (at[length] != '\0');
		const char *ours = strstr(at, SELF ".so");

		if (ours && ours < at + length)
			memmove(at, at + after, strlen(at + after) + 1);
		else
			at += after;
	}
	if (rest && *rest)
		(void)setenv("LD_PRELOAD", rest, 1);
	else
		(void)unsetenv("LD_PRELOAD");
	free(rest);
}

/* ---- -daemonize -------------------------------------------------------- */

/*
 * A program goes into the background by fork(), setsid(), fork(): the last one
 * is the VMM, with an address space of its own and without our thread. Other
 * children that lead a session don't fork without an exec.
 */
pid_t setsid(void)
{
	if (vmm.pid && vmm.pid != getpid())
		vmm.session = true;
	return (pid_t)syscall(SYS_setsid);
}

static void after_fork(void)
{
	if (!vmm.session)
		return;
	vmm.session = false;
	for (unsigned i = 0; i < RJ_VMM_FDS_MAX; i++)
		rj_close_fd(&vmm.fds[i]);
	rj_close_fd(&vmm.listener);
	rj_socket_file_unlink(&vmm.file);
	start();
}

/* A wrapper is passed through, to the program that it execs: Debian's kvm is a
 * shell script. */
static bool is_wrapper(void)
{
	const char *name = program_invocation_short_name;
	const size_t length = strlen(name);

	return !strcmp(name, "env") ||
	       (length >= 2 && !strcmp(name + length - 2, "sh"));
}

RJ_AT_LOAD static void begin(void)
{
	if (is_wrapper())
		return;
	leave_environment();
	start();
	(void)atexit(stop);
	(void)pthread_atfork(NULL, NULL, after_fork);
}
