/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/demo_target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "util/cleanup.h"
#include "util/error.h"

#define ARGUMENTS_MAX 32
#define END_MS        20000 /* for its self-check after the guest has run */
#define KILL_MS       2000

/* The child's command line; strings of its own live in `text`. */
struct arguments {
	char *argv[ARGUMENTS_MAX];
	int count;
	char text[8][64];
	int text_count;
	char guest[8600];
};

static void add(struct arguments *a, const char *argument)
{
	if (a->count < ARGUMENTS_MAX - 1)
		a->argv[a->count++] = (char *)argument;
}

RJ_PRINTF(3, 4)
static void add_value(struct arguments *a, const char *option,
		      const char *format, ...)
{
	char *text = a->text[a->text_count++];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(a->text[0]), format, args);
	va_end(args);
	add(a, option);
	add(a, text);
}

/* The same guest over there; a file gets a neighbour. */
static void add_guest(struct arguments *a,
		      const struct rj_cli_command_line *line,
		      const struct rj_cli_demo_target *target,
		      uint64_t file_bytes)
{
	if (*target->path)
		(void)snprintf(a->guest, sizeof(a->guest),
			       "file:%s,size=%llu%s", target->path,
			       (unsigned long long)file_bytes,
			       line->guest.prealloc ? ",prealloc=1" : "");
	else
		(void)snprintf(a->guest, sizeof(a->guest), "%s",
			       line->guest.text);
	add(a, a->guest);
}

static void build_arguments(struct arguments *a,
			    const struct rj_cli_command_line *line,
			    const struct rj_cli_demo_target *target,
			    uint64_t file_bytes, int ready_fd)
{
	static const char *const backends[] = { "auto", "uring", "syscalls" };

	*a = (struct arguments){ 0 };
	add(a, "ramjet");
	add(a, "recv");
	add_guest(a, line, target, file_bytes);
	add(a, "--from");
	add(a, line->uri);
	add(a, "--progress");
	add(a, "none");
	add(a, "--backend");
	add(a, backends[line->params.backend]);
	add_value(a, "--ready-fd", "%d", ready_fd);
	add_value(a, "--json", "/proc/self/fd/%d", target->report_fd);
	add_value(a, "--run", "%lluus", (unsigned long long)line->run_us);
	if (line->params.strict)
		add(a, "--strict");
}

static void keep_across_exec(int fd)
{
	(void)fcntl(fd, F_SETFD, 0);
}

/* Only what may follow fork() in a process that has threads. */
_Noreturn static void become_target(const struct rj_cli_demo_target *target,
				    int ready_fd, char *const *argv)
{
	/* A signal from the keyboard is the parent's to act on, and a child
	 * must not outlive it. */
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	keep_across_exec(ready_fd);
	keep_across_exec(target->report_fd);
	(void)dup2(target->output_fd, STDOUT_FILENO);
	(void)dup2(target->output_fd, STDERR_FILENO);
	(void)execv("/proc/self/exe", argv);
	_exit(127);
}

static int open_files(struct rj_cli_demo_target *target, int *ret_ready_end,
		      struct ramjet_error *err)
{
	int ends[2];

	target->report_fd = memfd_create("ramjet-report", MFD_CLOEXEC);
	target->output_fd = memfd_create("ramjet-output", MFD_CLOEXEC);
	if (target->report_fd < 0 || target->output_fd < 0 ||
	    pipe2(ends, O_CLOEXEC))
		return rj_fail_errno(err, -errno, "target: memfd or pipe");
	target->ready_fd = ends[0];
	*ret_ready_end = ends[1];
	return 0;
}

static int find_file(const struct rj_cli_command_line *line,
		     struct rj_cli_demo_target *target, uint64_t *ret_bytes,
		     struct ramjet_error *err)
{
	rj_autoclose int fd = open(line->guest.path, O_RDONLY | O_CLOEXEC);
	off_t bytes;

	if (fd < 0)
		return rj_fail_errno(err, -errno, "guest file %s: open",
				     line->guest.path);
	bytes = lseek(fd, 0, SEEK_END);
	if (bytes <= 0)
		return rj_fail(err, -EINVAL,
			       "guest file %s: it is empty, wanted a RAM "
			       "image",
			       line->guest.path);
	*ret_bytes = (uint64_t)bytes;
	(void)snprintf(target->path, sizeof(target->path), "%s.demo-%d",
		       line->guest.path, (int)getpid());
	return 0;
}

int rj_cli_demo_target_start(const struct rj_cli_command_line *line,
			     struct rj_cli_demo_target *ret,
			     struct ramjet_error *err)
{
	struct rj_cli_demo_target target = {
		.pidfd = -1, .ready_fd = -1, .report_fd = -1, .output_fd = -1
	};
	rj_autoclose int ready_end = -1;
	struct arguments arguments;
	uint64_t file_bytes = 0;
	int rc = 0;

	if (*line->guest.path)
		rc = find_file(line, &target, &file_bytes, err);
	if (!rc)
		rc = open_files(&target, &ready_end, err);
	if (!rc) {
		build_arguments(&arguments, line, &target, file_bytes,
				ready_end);
		target.pid = fork();
		if (!target.pid)
			become_target(&target, ready_end, arguments.argv);
		if (target.pid < 0)
			rc = rj_fail_errno(err, -errno, "target: fork");
	}
	if (!rc) {
		target.pidfd = pidfd_open(target.pid, 0);
		if (target.pidfd < 0)
			rc = rj_fail_errno(err, -errno, "target: pidfd_open");
	}
	if (rc) {
		rj_cli_demo_target_done(&target);
		return rc;
	}
	*ret = target;
	return 0;
}

/* What it printed, as one line. */
static void last_words(const struct rj_cli_demo_target *target, char *text,
		       size_t bytes)
{
	ssize_t length = pread(target->output_fd, text, bytes - 1, 0);

	text[length > 0 ? length : 0] = '\0';
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ' ' : '\0';
}

int rj_cli_demo_target_ready(struct rj_cli_demo_target *target,
			     struct ramjet_error *err)
{
	size_t used = 0;
	char words[400];

	/* Its death closes the pipe, so this ends. */
	for (;;) {
		ssize_t got = read(target->ready_fd, target->uri + used,
				   sizeof(target->uri) - 1 - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
		target->uri[used] = '\0';
		if (target->uri[used - 1] == '\n') {
			target->uri[used - 1] = '\0';
			return 0;
		}
	}
	last_words(target, words, sizeof(words));
	return rj_fail(err, -EIO, "target: it didn't come up: %s",
		       *words ? words : "it said nothing");
}

/* Returns its exit status; 128 and more: a signal ended it. */
static int reap(struct rj_cli_demo_target *target)
{
	struct pollfd ended = { .fd = target->pidfd, .events = POLLIN };
	int status = 0;

	if (poll(&ended, 1, END_MS) <= 0) {
		(void)kill(target->pid, SIGTERM);
		if (poll(&ended, 1, KILL_MS) <= 0)
			(void)kill(target->pid, SIGKILL);
	}
	while (waitpid(target->pid, &status, 0) < 0 && errno == EINTR)
		;
	target->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int rj_cli_demo_target_finish(struct rj_cli_demo_target *target,
			      json_t **ret_report, struct ramjet_error *err)
{
	int status = reap(target);
	char words[400];

	*ret_report = NULL;
	if (lseek(target->report_fd, 0, SEEK_SET) == 0)
		*ret_report = json_loadfd(target->report_fd, 0, NULL);
	if (!status)
		return 0;
	last_words(target, words, sizeof(words));
	return rj_fail(err, -EIO, "target: it ended with status %d: %s", status,
		       *words ? words : "it said nothing");
}

void rj_cli_demo_target_done(struct rj_cli_demo_target *target)
{
	if (target->pid > 0) {
		(void)kill(target->pid, SIGTERM);
		(void)reap(target);
	}
	if (*target->path)
		(void)unlink(target->path);
	rj_close_fd(&target->pidfd);
	rj_close_fd(&target->ready_fd);
	rj_close_fd(&target->report_fd);
	rj_close_fd(&target->output_fd);
}
