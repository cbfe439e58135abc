/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringio/wait.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

#define PIPE_BYTES   (1 << 20)
#define REAP_POLL_NS 5000000u

extern char **environ;

static int fill_actions(posix_spawn_file_actions_t *actions, int theirs,
			bool writing)
{
	int rc;

	/* Reading, the command gets no say in our standard input either. */
	rc = posix_spawn_file_actions_adddup2(actions, theirs, writing ? 0 : 1);
	if (!rc && !writing)
		rc = posix_spawn_file_actions_addopen(actions, 0, "/dev/null",
						      O_RDONLY, 0);
	if (!rc)
		rc = posix_spawn_file_actions_addclosefrom_np(actions, 3);
	return rc;
}

/* Own group, so that a pipeline can be killed; SIGPIPE and the mask as a
 * command expects them, whatever this thread has. */
static int fill_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, defaults;
	int rc;

	(void)sigemptyset(&none);
	(void)sigemptyset(&defaults);
	(void)sigaddset(&defaults, SIGPIPE);
	rc = posix_spawnattr_setflags(
		attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
				    POSIX_SPAWN_SETSIGMASK);
	if (!rc)
		rc = posix_spawnattr_setpgroup(attributes, 0);
	if (!rc)
		rc = posix_spawnattr_setsigdefault(attributes, &defaults);
	if (!rc)
		rc = posix_spawnattr_setsigmask(attributes, &none);
	return rc;
}

static int spawn_shell(const char *command, int theirs, bool writing,
		       pid_t *ret)
{
	char *const argv[] = { "sh", "-c", (char *)command, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int rc;

	rc = posix_spawn_file_actions_init(&actions);
	if (rc)
		return -rc;
	rc = posix_spawnattr_init(&attributes);
	if (rc) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return -rc;
	}
	rc = fill_actions(&actions, theirs, writing);
	if (!rc)
		rc = fill_attributes(&attributes);
	if (!rc)
		rc = posix_spawn(ret, "/bin/sh", &actions, &attributes, argv,
				 environ);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

int rj_exec_start(const char *command, bool writing, struct rj_conn *ret,
		  struct ramjet_error *err)
{
	rj_autoclose int ours = -1;
	rj_autoclose int theirs = -1;
	pid_t child = 0;
	int ends[2];
	int rc;

	if (pipe2(ends, O_CLOEXEC))
		return rj_fail_errno(err, -errno, "exec: making a pipe");
	ours = ends[writing];
	theirs = ends[!writing];
	(void)fcntl(ours, F_SETPIPE_SZ, PIPE_BYTES); /* may be over a limit */
	if (fcntl(ours, F_SETFL, O_NONBLOCK))
		return rj_fail_errno(err, -errno, "exec: tuning a pipe");
	rc = spawn_shell(command, theirs, writing, &child);
	if (rc)
		return rj_fail_errno(err, rc, "exec: starting /bin/sh");
	*ret = (struct rj_conn){
		.fd = rj_steal_fd(&ours),
		.kind = RJ_CONN_PIPE,
		.child = child,
	};
	return 0;
}

static bool has_ended(pid_t child)
{
	siginfo_t info = { 0 };

	/* An error counts: the waitpid() that follows will name it. */
	return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) ||
	       info.si_pid == child;
}

static int wait_for_end(pid_t child, uint64_t deadline_ns, int wake_fd)
{
	rj_autoclose int fd = pidfd_open(child, 0);
	int rc = 0;

	if (fd >= 0)
		return rj_wait_fd(fd, POLLIN, deadline_ns, wake_fd);
	while (!has_ended(child)) {
		if (deadline_ns && rj_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		/* No pidfd to wait on here: look again soon. */
		rc = rj_wait_fd(-1, 0, rj_now_ns() + REAP_POLL_NS, wake_fd);
		if (rc != -ETIMEDOUT)
			return rc;
	}
	return 0;
}

static int judge(int status, struct ramjet_error *err)
{
	if (WIFSIGNALED(status))
		return rj_fail(err, -EPIPE,
			       "exec: command killed by signal %d, want exit "
			       "status 0",
			       WTERMSIG(status));
	if (WEXITSTATUS(status))
		return rj_fail(err, -EPIPE,
			       "exec: command exited with status %d, want 0",
			       WEXITSTATUS(status));
	return 0;
}

int rj_exec_reap(pid_t child, uint64_t deadline_ns, int wake_fd,
		 struct ramjet_error *err)
{
	int rc = wait_for_end(child, deadline_ns, wake_fd);
	int status;
	pid_t pid;

	if (rc)
		(void)kill(-child, SIGKILL);
	do {
		pid = waitpid(child, &status, 0);
	} while (pid < 0 && errno == EINTR);
	if (pid < 0)
		return rj_fail_errno(err, -errno,
				     "exec: the command's exit status is lost");
	if (rc)
		return rj_fail_errno(err, rc,
				     "exec: command still ran and was killed");
	return judge(status, err);
}
