/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/preload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "cli/attach/proc.h"
#include "cli/attach/vmm/vmm.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Its thread has nothing else to do; chosen: long enough for a machine that is
 * overloaded. */
#define ANSWER_S 10

/* ---- where it is ------------------------------------------------------- */

/* "NAME=value" of an environment, as /proc has it. */
static const char *value_of(const char *environment, size_t bytes,
			    const char *name)
{
	const size_t length = strlen(name);

	for (size_t at = 0; at < bytes; at += strlen(environment + at) + 1)
		if (!strncmp(environment + at, name, length) &&
		    environment[at + length] == '=')
			return environment + at + length + 1;
	return NULL;
}

static void expand(const char *pattern, pid_t pid, char *path, size_t bytes)
{
	const char *mark = strstr(pattern, "%p");

	if (mark)
		(void)snprintf(path, bytes, "%.*s%d%s", (int)(mark - pattern),
			       pattern, (int)pid, mark + 2);
	else
		(void)snprintf(path, bytes, "%s", pattern);
}

static uint64_t user_of(pid_t pid)
{
	rj_autofree char *text = NULL;
	size_t bytes = 0;
	uint64_t uid = 0;

	if (!rj_attach_proc_read(pid, "status", &text, &bytes))
		(void)rj_attach_proc_number(text, "Uid", 10, 1, &uid);
	return uid;
}

/* As libramjet-vmm.so itself chooses, from its own environment; which may not
 * be for us to see. */
void rj_attach_preload_path(pid_t pid, const char *pattern, char *path,
			    size_t bytes)
{
	rj_autofree char *theirs = NULL;
	const char *folder = NULL;
	size_t length = 0;
	uint64_t uid;

	if (!pattern && !rj_attach_proc_read(pid, "environ", &theirs, &length))
		pattern = value_of(theirs, length, RJ_VMM_ENVIRONMENT);
	if (!pattern)
		pattern = getenv(RJ_VMM_ENVIRONMENT);
	if (pattern) {
		expand(pattern, pid, path, bytes);
		return;
	}
	if (theirs)
		folder = value_of(theirs, length, "XDG_RUNTIME_DIR");
	uid = user_of(pid);
	if (folder)
		(void)snprintf(path, bytes, "%s/ramjet/vmm-%d.sock", folder,
			       (int)pid);
	else if (uid)
		(void)snprintf(path, bytes, "/run/user/%llu/ramjet/vmm-%d.sock",
			       (unsigned long long)uid, (int)pid);
	else
		(void)snprintf(path, bytes, "/run/ramjet/vmm-%d.sock",
			       (int)pid);
}

/* ---- what it says ------------------------------------------------------ */

static int connect_to(const char *path, int *ret, struct ramjet_error *err)
{
	const struct timeval patience = { .tv_sec = ANSWER_S };
	const int yes = 1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	rj_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return rj_fail_errno(err, -errno, "preload %s: socket", path);
	if (strlen(path) >= sizeof(address.sun_path))
		return rj_fail(err, -ENAMETOOLONG,
			       "preload %s: the path has %zu bytes, at most "
			       "%zu are possible",
			       path, strlen(path),
			       sizeof(address.sun_path) - 1);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)) ||
	    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)))
		return rj_fail_errno(err, -errno, "preload %s: options", path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return rj_fail_wanted(
			err, errno == ECONNREFUSED ? -ENOENT : -errno,
			"a process started with LD_PRELOAD=libramjet-vmm.so",
			"preload %s", path);
	*ret = rj_steal_fd(&fd);
	return 0;
}

struct message {
	struct rj_vmm_answer answer;
	pid_t sender;
	int fds[RJ_VMM_FDS_MAX];
	size_t fds_count;
};

static void take(struct message *m, const struct cmsghdr *c)
{
	const size_t bytes = c->cmsg_len - CMSG_LEN(0);
	struct ucred sender;

	if (c->cmsg_level != SOL_SOCKET)
		return;
	if (c->cmsg_type == SCM_CREDENTIALS && bytes == sizeof(sender)) {
		memcpy(&sender, CMSG_DATA(c), sizeof(sender));
		m->sender = sender.pid;
	} else if (c->cmsg_type == SCM_RIGHTS && bytes <= sizeof(m->fds)) {
		memcpy(m->fds, CMSG_DATA(c), bytes);
		m->fds_count = bytes / sizeof(int);
	}
}

static int receive(int fd, struct message *m)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred)) +
			   CMSG_SPACE(sizeof(m->fds))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec io = { &m->answer, sizeof(m->answer) };
	struct msghdr header = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got;

	do
		got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c;
	     c = CMSG_NXTHDR(&header, c))
		take(m, c);
	return got == sizeof(m->answer) ? 0 : -ECONNRESET;
}

static int judge(const struct message *m, pid_t pid, bool want_uffd,
		 const char *path, struct ramjet_error *err)
{
	if (m->answer.version != RJ_VMM_VERSION)
		return rj_fail(err, -EPROTO,
			       "preload %s: it speaks version %u, wanted %u",
			       path, m->answer.version, RJ_VMM_VERSION);
	if (m->sender != pid)
		return rj_fail(err, -EINVAL,
			       "preload %s: process %d answers, wanted %d",
			       path, (int)m->sender, (int)pid);
	if (m->answer.error)
		return rj_fail_errno(err, -m->answer.error,
				     "preload %s: process %d can't give its "
				     "userfaultfd and memory",
				     path, (int)pid);
	if (m->fds_count != (want_uffd ? 3 : 2))
		return rj_fail(err, -EPROTO,
			       "preload %s: %zu descriptors came, wanted %d",
			       path, m->fds_count, want_uffd ? 3 : 2);
	return 0;
}

int rj_attach_preload_ask(pid_t pid, const char *path, bool want_uffd,
			  struct rj_attach_handed *ret,
			  struct ramjet_error *err)
{
	const char ask = want_uffd ? RJ_VMM_ASK_ALL : RJ_VMM_ASK_MEMORY;
	struct message m = { .fds = { -1, -1, -1 } };
	rj_autoclose int fd = -1;
	int rc = connect_to(path, &fd, err);

	if (rc)
		return rc;
	if (send(fd, &ask, 1, MSG_NOSIGNAL) != 1)
		rc = -errno;
	if (!rc)
		rc = receive(fd, &m);
	if (rc)
		rc = rj_fail_wanted(err, rc,
				    "an answer; only its own user and root get "
				    "one",
				    "preload %s", path);
	else
		rc = judge(&m, pid, want_uffd, path, err);
	if (rc) {
		for (size_t i = 0; i < m.fds_count; i++)
			rj_close_fd(&m.fds[i]);
		return rc;
	}
	*ret = (struct rj_attach_handed){
		.mem_fd = m.fds[0],
		.pagemap_fd = m.fds[1],
		.uffd = m.fds[2],
		.kernel_faults = m.answer.kernel_faults,
	};
	return 0;
}
