/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/peer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/attach/proc.h"
#include "util/cleanup.h"
#include "util/error.h"

void rj_attach_pid_name(pid_t pid, char *text, size_t bytes)
{
	rj_autofree char *comm = NULL;
	size_t length = 0;

	(void)snprintf(text, bytes, "?");
	if (rj_attach_proc_read(pid, "comm", &comm, &length) || !length)
		return;
	comm[strcspn(comm, "\n")] = '\0';
	(void)snprintf(text, bytes, "%s", comm);
}

static bool is_qemus(const char *name)
{
	return !strncmp(name, "qemu", 4) || !strcmp(name, "kvm");
}

/* Its name may have been changed (-name process=...), its program can't be;
 * but who may not trace it may not see its program. */
bool rj_attach_pid_is_qemu(pid_t pid)
{
	char path[64];
	char program[PATH_MAX];
	char name[64];
	const char *slash;
	ssize_t length;

	rj_attach_pid_name(pid, name, sizeof(name));
	if (is_qemus(name))
		return true;
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	length = readlink(path, program, sizeof(program) - 1);
	if (length <= 0)
		return false;
	program[length] = '\0';
	slash = strrchr(program, '/');
	return is_qemus(slash ? slash + 1 : program);
}

/* What a thread calls itself is the last of its numbers, one a namespace; a
 * kernel without namespaces names none. */
static bool calls_itself(pid_t pid, pid_t thread, pid_t tid)
{
	rj_autofree char *text = NULL;
	uint64_t number = (uint64_t)thread;
	uint64_t next;
	size_t bytes;
	char name[64];

	(void)snprintf(name, sizeof(name), "task/%d/status", (int)thread);
	if (rj_attach_proc_read(pid, name, &text, &bytes))
		return false;
	for (unsigned i = 0; rj_attach_proc_number(text, "NSpid", 10, i, &next);
	     i++)
		number = next;
	return number == (uint64_t)tid;
}

bool rj_attach_pid_has_thread(pid_t pid, pid_t tid)
{
	const int fd = rj_attach_proc_open(pid, "task", O_RDONLY | O_DIRECTORY);
	DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *one;
	bool found = false;

	if (!tasks) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && (one = readdir(tasks))) {
		const pid_t thread = (pid_t)strtol(one->d_name, NULL, 10);

		found = thread > 0 && calls_itself(pid, thread, tid);
	}
	closedir(tasks);
	return found;
}

int rj_attach_peer_pid(int socket_fd, const char *what, pid_t *ret,
		       struct ramjet_error *err)
{
	struct ucred peer = { 0 };
	socklen_t bytes = sizeof(peer);
	char name[64];

	if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes))
		return rj_fail_wanted(err, -errno,
				      "a unix socket, or pid=N of the process",
				      "%s: whose it is", what);
	/* 0: it is in another PID namespace. */
	if (peer.pid <= 0)
		return rj_fail(err, -EINVAL,
			       "%s: the process behind the socket can't be "
			       "seen from here, wanted one of this PID "
			       "namespace",
			       what);
	if (!rj_attach_pid_is_qemu(peer.pid)) {
		rj_attach_pid_name(peer.pid, name, sizeof(name));
		return rj_fail(err, -EINVAL,
			       "%s: process %d (%s) made the socket and is no "
			       "QEMU, wanted pid=N of the QEMU behind it",
			       what, (int)peer.pid, name);
	}
	*ret = peer.pid;
	return 0;
}
