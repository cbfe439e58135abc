/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringio/bare.h"
#include "ringio/wait.h"
#include "util/cleanup.h"
#include "util/error.h"

/* As much as the kernel lets anybody have (fs.pipe-max-size, its default). */
#define PIPE_BYTES (1 << 20)
/* Where the shell that waits has its end of the socket. */
#define STATUS_FD 3
/* Our own descriptors must not have the numbers that the command gets. */
#define LEAST_FD (STATUS_FD + 1)
/* The kernel's, newer than glibc's header; Linux 6.9. */
#define SIGNAL_PROCESS_GROUP (1u << 2)
/* A command that was ended by signal N has this + N as its status, as in
 * shells. */
#define SIGNAL_STATUS 128

extern char **environ;

struct rj_command {
	pid_t pid;     /* of the shell that waits; leads a session */
	int pidfd;     /* the same, also after it was reaped; -1: none */
	int status_fd; /* a line with the command's status comes from it */
};

/*
 * The waiting shell starts the command when it reads a line from us: until then
 * it surely lives, so pidfd_open() gets the right process. The command's own
 * shell is called "sh" in its messages, as if there were no other.
 */
static const char waiter[] = "read -r go <&3 || exit\n"
			     "/bin/sh -c \"$1\" sh 3>&-\n"
			     "echo $? >&3\n";

static int fill_actions(posix_spawn_file_actions_t *actions, int theirs,
			int status_fd, bool writing)
{
	int rc;

	/* When we read from the command, its standard input is /dev/null, not
	 * ours. */
	rc = posix_spawn_file_actions_adddup2(actions, theirs, writing ? 0 : 1);
	if (!rc && !writing)
		rc = posix_spawn_file_actions_addopen(actions, 0, "/dev/null",
						      O_RDONLY, 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(actions, status_fd,
						      STATUS_FD);
	if (!rc)
		rc = posix_spawn_file_actions_addclosefrom_np(actions,
							      STATUS_FD + 1);
	return rc;
}

/* Signals and the mask as a command expects them, whatever this thread has;
 * a shell that ignores SIGCHLD cannot wait. */
static int fill_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, defaults;
	int rc;

	(void)sigemptyset(&none);
	(void)sigemptyset(&defaults);
	(void)sigaddset(&defaults, SIGPIPE);
	(void)sigaddset(&defaults, SIGCHLD);
	(void)sigaddset(&defaults, SIGXFSZ);
	rc = posix_spawnattr_setflags(
		attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
				    POSIX_SPAWN_SETSIGMASK);
	if (!rc)
		rc = posix_spawnattr_setsigdefault(attributes, &defaults);
	if (!rc)
		rc = posix_spawnattr_setsigmask(attributes, &none);
	return rc;
}

static int spawn_shell(const char *command, int theirs, int status_fd,
		       bool writing, pid_t *ret)
{
	char *const argv[] = {
		"sh", "-c", (char *)waiter, "sh", (char *)command, NULL
	};
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
	rc = fill_actions(&actions, theirs, status_fd, writing);
	if (!rc)
		rc = fill_attributes(&attributes);
	if (!rc)
		rc = posix_spawn(ret, "/bin/sh", &actions, &attributes, argv,
				 environ);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

static int raise_fd(int *fd)
{
	const int raised = fcntl(*fd, F_DUPFD_CLOEXEC, LEAST_FD);

	if (raised < 0)
		return -errno;
	rj_close_fd(fd);
	*fd = raised;
	return 0;
}

static int make_pipe(bool writing, int *ours, int *theirs)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	*ours = ends[writing];
	*theirs = ends[!writing];
	(void)fcntl(*ours, F_SETPIPE_SZ, PIPE_BYTES); /* may be over a limit */
	if (fcntl(*ours, F_SETFL, O_NONBLOCK))
		return -errno;
	return raise_fd(theirs);
}

static int start(const char *command, bool writing, int theirs,
		 struct rj_command *ret)
{
	rj_autoclose int status_fd = -1;
	int ends[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	ret->status_fd = ends[0];
	status_fd = ends[1];
	rc = raise_fd(&status_fd);
	if (!rc)
		rc = spawn_shell(command, theirs, status_fd, writing,
				 &ret->pid);
	if (rc)
		return rc;
	ret->pidfd = pidfd_open(ret->pid, 0);
	/* A command that has ended already is reported by its status. */
	(void)!send(ret->status_fd, "\n", 1, MSG_NOSIGNAL);
	return 0;
}

static void free_command(struct rj_command *command)
{
	rj_close_fd(&command->pidfd);
	rj_close_fd(&command->status_fd);
	free(command);
}

/* 0, and the status, or -1 when the shell that waits ended without a word. */
static int await_status(struct rj_command *command, uint64_t deadline_ns,
			int wake_fd, int *ret)
{
	char line[16] = "";
	size_t have = 0;

	for (;;) {
		const int rc = rj_wait_fd(command->status_fd, POLLIN,
					  deadline_ns, wake_fd);
		ssize_t n;

		if (rc)
			return rc;
		n = recv(command->status_fd, line + have,
			 sizeof(line) - 1 - have, MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		have += n > 0 ? (size_t)n : 0;
		if (n > 0 && !memchr(line, '\n', have) &&
		    have < sizeof(line) - 1)
			continue;
		*ret = memchr(line, '\n', have) ? (int)strtol(line, NULL, 10)
						: -1;
		return 0;
	}
}

/*
 * Kill it with all it has started. After it was reaped, which others in this
 * process may do, its number may belong to another process: so it is only used
 * while the pidfd says that it lives.
 */
static void kill_all(const struct rj_command *command)
{
	struct pollfd ended = { .fd = command->pidfd, .events = POLLIN };

	if (command->pidfd >= 0) {
		if (poll(&ended, 1, 0))
			return;
		if (!pidfd_send_signal(command->pidfd, SIGKILL, NULL,
				       SIGNAL_PROCESS_GROUP))
			return;
	}
	(void)kill(-command->pid, SIGKILL);
}

/* Reap it. Its status, as wait() has it; -1: another part of this process has
 * reaped it. */
static int reap(const struct rj_command *command)
{
	const bool exact = command->pidfd >= 0;
	siginfo_t info = { 0 };
	int rc;

	do {
		rc = waitid(exact ? P_PIDFD : P_PID,
			    (id_t)(exact ? command->pidfd : command->pid),
			    &info, WEXITED);
	} while (rc && errno == EINTR);
	if (rc)
		return -1;
	return info.si_code == CLD_EXITED ? info.si_status
					  : SIGNAL_STATUS + info.si_status;
}

static int judge(int status, struct ramjet_error *err)
{
	if (status < 0)
		return rj_fail(
			err, -EPIPE,
			"exec: the command's exit status is lost, wanted "
			"status 0");
	if (status > SIGNAL_STATUS)
		return rj_fail(err, -EPIPE,
			       "exec: command exited with status %d, killed by "
			       "signal %d, wanted 0",
			       status, status - SIGNAL_STATUS);
	if (status)
		return rj_fail(err, -EPIPE,
			       "exec: command exited with status %d, wanted 0",
			       status);
	return 0;
}

static int finish(struct rj_conn *conn, uint64_t deadline_ns, int wake_fd,
		  struct ramjet_error *err)
{
	struct rj_command *command = conn->command;
	int status = -1, shell_status, rc;

	/* Close the pipe first: a command that reads until its end would wait
	 * for ever. */
	rj_close_fd(&conn->fd);
	rc = await_status(command, deadline_ns, wake_fd, &status);
	if (rc)
		kill_all(command);
	shell_status = reap(command);
	/* The waiting shell was killed with the command, so no status came from
	 * it. */
	if (status < 0 && shell_status > 0)
		status = shell_status;
	free_command(command);
	if (rc)
		return rj_fail_errno(err, rc,
				     "exec: command still ran and was killed");
	return judge(status, err);
}

int rj_exec_pid(const struct rj_command *command)
{
	return (int)command->pid;
}

static void describe(const struct rj_conn *conn, char *buffer, size_t bytes)
{
	(void)snprintf(buffer, bytes, "exec process %d",
		       rj_exec_pid(conn->command));
}

static const struct rj_conn_ops ops = {
	.bare = true,
	.send = rj_bare_write,
	.receive = rj_bare_read,
	.poll_fd = rj_bare_poll_fd,
	.finish = finish,
	.describe = describe,
};

int rj_exec_start(const char *command, bool writing, struct rj_conn *ret,
		  struct ramjet_error *err)
{
	struct rj_command *own = malloc(sizeof(*own));
	rj_autoclose int ours = -1;
	rj_autoclose int theirs = -1;
	int rc;

	if (!own)
		return rj_fail(err, -ENOMEM, "exec: out of memory");
	*own = (struct rj_command){ .pidfd = -1, .status_fd = -1 };
	rc = make_pipe(writing, &ours, &theirs);
	if (rc)
		(void)rj_fail_errno(err, rc, "exec: making a pipe");
	else
		rc = start(command, writing, theirs, own);
	if (rc) {
		free_command(own);
		return rj_fail_errno(err, rc, "exec: starting /bin/sh");
	}
	*ret = (struct rj_conn){
		.fd = rj_steal_fd(&ours),
		.kind = RJ_CONN_PIPE,
		.ops = &ops,
		.command = own,
	};
	return 0;
}
