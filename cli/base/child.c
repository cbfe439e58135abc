/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "util/valgrind.h"

#define KILL_MS 2000
#define LOOK_MS 10

/* Under valgrind /proc/self/exe is valgrind itself, which answers readlink()
 * with our own name. */
static void become_self(const struct rj_cli_child_order *order)
{
	char path[PATH_MAX];
	const ssize_t length =
		readlink(RJ_CLI_CHILD_SELF, path, sizeof(path) - 1);

	if (length < 0)
		return;
	path[length] = '\0';
	(void)execv(path, order->argv);
}

/* Print why, where the process that started it reads its output. */
static void say_why(const char *program, int error)
{
	const char *const parts[] = {
		program,
		": ",
		strerrordesc_np(error),
		strcmp(program, RJ_CLI_CHILD_SELF)
			? ""
			: ", wanted /proc to be mounted",
	};

	for (size_t i = 0; i < RJ_ARRAY_SIZE(parts); i++)
		(void)!write(STDERR_FILENO, parts[i], strlen(parts[i]));
}

/* Only what may follow fork() in a process that has threads. */
_Noreturn static void become(const struct rj_cli_child_order *order, int out_fd,
			     int error_fd)
{
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(order->kept); i++)
		if (order->kept[i] >= 0)
			(void)fcntl(order->kept[i], F_SETFD, 0);
	(void)dup2(out_fd, STDOUT_FILENO);
	(void)dup2(error_fd, STDERR_FILENO);
	if (rj_in_valgrind() && !strcmp(order->program, RJ_CLI_CHILD_SELF))
		become_self(order);
	(void)execv(order->program, order->argv);
	say_why(order->program, errno);
	_exit(127);
}

static int start(const struct rj_cli_child_order *order,
		 struct rj_cli_child *child, struct ramjet_error *err)
{
	rj_autoclose int out_fd = -1;
	int ends[2];

	child->output_fd = memfd_create("ramjet-output", MFD_CLOEXEC);
	if (child->output_fd < 0 || (order->listen && pipe2(ends, O_CLOEXEC)))
		return rj_fail_errno(err, -errno, "%s: memfd or pipe",
				     order->what);
	if (order->listen) {
		child->said_fd = ends[0];
		out_fd = ends[1];
	}
	child->pid = fork();
	if (!child->pid)
		become(order, order->listen ? out_fd : child->output_fd,
		       child->output_fd);
	if (child->pid < 0) {
		child->pid = 0;
		return rj_fail_errno(err, -errno, "%s: fork", order->what);
	}
	/* valgrind knows of none; then it is looked for now and then. */
	child->pidfd = pidfd_open(child->pid, 0);
	if (child->pidfd < 0 && errno != ENOSYS)
		return rj_fail_errno(err, -errno, "%s: pidfd_open",
				     order->what);
	return 0;
}

int rj_cli_child_start(const struct rj_cli_child_order *order,
		       struct rj_cli_child *ret, struct ramjet_error *err)
{
	struct rj_cli_child child = RJ_CLI_CHILD_NONE;
	int rc = start(order, &child, err);

	if (rc)
		rj_cli_child_done(&child);
	else
		*ret = child;
	return rc;
}

bool rj_cli_child_line(int fd, char *text, size_t bytes)
{
	size_t used = 0;

	while (used + 1 < bytes) {
		ssize_t got = read(fd, text + used, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		if (text[used] == '\n') {
			text[used] = '\0';
			return true;
		}
		used++;
	}
	text[used] = '\0';
	return false;
}

void rj_cli_child_words(const struct rj_cli_child *child, char *text,
			size_t bytes)
{
	ssize_t length = pread(child->output_fd, text, bytes - 1, 0);

	text[length > 0 ? length : 0] = '\0';
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ' ' : '\0';
}

static bool ends_within(const struct rj_cli_child *child, int patience_ms)
{
	struct pollfd ended = { .fd = child->pidfd, .events = POLLIN };
	siginfo_t info = { 0 };

	if (child->pidfd >= 0)
		return poll(&ended, 1, patience_ms) > 0;
	for (int ms = 0; ms < patience_ms; ms += LOOK_MS) {
		if (waitid(P_PID, (id_t)child->pid, &info,
			   WEXITED | WNOHANG | WNOWAIT) ||
		    info.si_pid)
			return true;
		(void)poll(NULL, 0, LOOK_MS);
	}
	return false;
}

int rj_cli_child_reap(struct rj_cli_child *child, int patience_ms)
{
	int status = 0;

	if (!ends_within(child, patience_ms)) {
		(void)kill(child->pid, SIGTERM);
		if (!ends_within(child, KILL_MS))
			(void)kill(child->pid, SIGKILL);
	}
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	child->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void rj_cli_child_done(struct rj_cli_child *child)
{
	if (child->pid > 0) {
		(void)kill(child->pid, SIGTERM);
		(void)rj_cli_child_reap(child, KILL_MS);
	}
	rj_close_fd(&child->pidfd);
	rj_close_fd(&child->said_fd);
	rj_close_fd(&child->output_fd);
}
