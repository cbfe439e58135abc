/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "victim.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- from outside ------------------------------------------------------ */

static struct victim_board *mine; /* in the victim, for its handlers */

static void count(int signal_number)
{
	atomic_fetch_add(
		signal_number == SIGUSR1 ? &mine->signals : &mine->queued, 1);
}

_Noreturn static void live(struct victim_board *board, victim_body *body,
			   pid_t parent)
{
	const struct sigaction action = { .sa_handler = count,
					  .sa_flags = SA_RESTART };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	mine = board;
	(void)sigaction(SIGUSR1, &action, NULL);
	(void)sigaction(SIGRTMIN, &action, NULL);
	body(board);
	for (;;)
		(void)pause();
}

void victim_start(struct victim *victim, victim_body *body)
{
	const pid_t parent = getpid();
	struct victim_board *board =
		mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(board, MAP_FAILED);
	assert_int_equal(pipe(board->pipe_fds), 0);
	victim->board = board;
	victim->pid = fork();
	assert_true(victim->pid >= 0);
	if (!victim->pid)
		live(board, body, parent);
	victim->pidfd = pidfd_open(victim->pid, 0);
	assert_true(victim->pidfd >= 0);
	victim_await(victim, &board->ready, 1);
}

void victim_end(struct victim *victim)
{
	siginfo_t info = { 0 };

	(void)kill(victim->pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)victim->pid, &info, WEXITED), 0);
	assert_int_equal(info.si_code, CLD_KILLED);
	assert_int_equal(info.si_status, SIGKILL);
	assert_int_equal(atomic_load(&victim->board->wrong), 0);
	(void)close(victim->pidfd);
	(void)close(victim->board->pipe_fds[0]);
	(void)close(victim->board->pipe_fds[1]);
	(void)munmap(victim->board, sizeof(*victim->board));
}

static void nap(const struct victim *victim)
{
	struct pollfd look = { .fd = victim->pidfd, .events = POLLIN };

	if (poll(&look, 1, 1) > 0)
		fail_msg("the victim has ended");
}

void victim_await(const struct victim *victim, atomic_uint *counter,
		  unsigned wanted)
{
	while (atomic_load(counter) < wanted)
		nap(victim);
}

static void read_proc(const struct victim *victim, const char *name, char *text,
		      size_t bytes)
{
	char path[64];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)victim->pid,
		       name);
	file = fopen(path, "re");
	assert_non_null(file);
	*text = '\0';
	(void)!fgets(text, (int)bytes, file);
	(void)fclose(file);
}

char victim_state(const struct victim *victim)
{
	char text[256];
	const char *after;

	read_proc(victim, "stat", text, sizeof(text));
	after = strrchr(text, ')');
	assert_non_null(after);
	return after[2];
}

void victim_await_call(const struct victim *victim, long number)
{
	char text[256];

	for (;;) {
		long now = -1;

		read_proc(victim, "syscall", text, sizeof(text));
		if (*text >= '0' && *text <= '9')
			now = strtol(text, NULL, 10);
		if (now == number || now == SYS_restart_syscall)
			return;
		if (atomic_load(&victim->board->wrong))
			fail_msg("it returned early, errno %d",
				 victim->board->error);
		nap(victim);
	}
}

unsigned victim_uffds(const struct victim *victim)
{
	char path[64];
	char link[64];
	unsigned found = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)victim->pid);
	dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		const ssize_t bytes = readlinkat(dirfd(dir), e->d_name, link,
						 sizeof(link) - 1);

		link[bytes < 0 ? 0 : bytes] = '\0';
		found += strstr(link, "userfaultfd") != NULL;
	}
	(void)closedir(dir);
	return found;
}

/* ---- other users ------------------------------------------------------- */

void become_user(unsigned id, bool dumpable)
{
	if (setgroups(0, NULL) || setresgid(id, id, id) ||
	    setresuid(id, id, id) || prctl(PR_SET_DUMPABLE, dumpable))
		_exit(2);
}

struct report {
	int rc;
	char text[600];
};

int as_user(unsigned id, int (*fn)(void *user, char *text, size_t bytes),
	    void *user, char *text, size_t bytes)
{
	struct report *report =
		mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int status;
	int rc;

	assert_ptr_not_equal(report, MAP_FAILED);
	pid = fork();
	if (!pid) {
		become_user(id, true);
		report->rc = fn(user, report->text, sizeof(report->text));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	(void)snprintf(text, bytes, "%s", report->text);
	rc = report->rc;
	(void)munmap(report, sizeof(*report));
	return rc;
}

/* ---- what it does ------------------------------------------------------ */

typedef double vector __attribute__((vector_size(32)));

/* Exact in doubles. The compiler keeps what it can in registers. */
static bool sums_are_right(void)
{
	vector v = { 0, 1, 2, 3 };
	const vector step = { 1, 2, 3, 4 };
	uint64_t whole = 0;
	double one = 0;

	for (unsigned i = 0; i < 1000; i++) {
		v += step;
		whole = whole * 3 + i;
		one += i;
	}
	return v[0] == 1000 && v[1] == 2001 && v[2] == 3002 && v[3] == 4003 &&
	       whole == UINT64_C(10774198961052718292) && one == 499500;
}

void victim_computes(struct victim_board *board)
{
	for (;;) {
		atomic_store(&board->ready, 1);
		if (!sums_are_right())
			atomic_fetch_add(&board->wrong, 1);
		atomic_fetch_add(&board->rounds, 1);
	}
}

static void returned(struct victim_board *board, long rc, long wanted)
{
	board->error = rc < 0 ? errno : 0;
	if (rc != wanted)
		atomic_fetch_add(&board->wrong, 1);
	atomic_fetch_add(&board->returns, 1);
}

void victim_in_ppoll(struct victim_board *board)
{
	struct pollfd wait = { .fd = board->pipe_fds[0], .events = POLLIN };

	atomic_store(&board->ready, 1);
	returned(board, ppoll(&wait, 1, NULL, NULL), 1);
}

void victim_in_poll(struct victim_board *board)
{
	struct pollfd wait = { .fd = board->pipe_fds[0], .events = POLLIN };

	atomic_store(&board->ready, 1);
	returned(board, poll(&wait, 1, 1000000), 1);
}

void victim_in_read(struct victim_board *board)
{
	char byte;

	atomic_store(&board->ready, 1);
	returned(board, read(board->pipe_fds[0], &byte, 1), 1);
}

void victim_in_nanosleep(struct victim_board *board)
{
	const struct timespec long_time = { .tv_sec = 1000000 };

	atomic_store(&board->ready, 1);
	returned(board, nanosleep(&long_time, NULL), 0);
}

void victim_in_futex(struct victim_board *board)
{
	unsigned word = 0;

	atomic_store(&board->ready, 1);
	returned(board, syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL), 0);
}

void victim_of_nobody(struct victim_board *board)
{
	become_user(NOBODY, true);
	victim_computes(board);
}

void victim_hidden(struct victim_board *board)
{
	become_user(NOBODY, false);
	victim_computes(board);
}

void victim_takes_signals(struct victim_board *board)
{
	sigset_t outside;
	sigset_t inside;

	(void)sigemptyset(&outside);
	(void)sigaddset(&outside, SIGUSR1);
	(void)sigaddset(&outside, SIGRTMIN);
	(void)sigprocmask(SIG_BLOCK, &outside, &inside);
	atomic_store(&board->ready, 1);
	for (;;) {
		const int rc = ppoll(NULL, 0, NULL, &inside);

		if (rc != -1 || errno != EINTR)
			atomic_fetch_add(&board->wrong, 1);
		atomic_fetch_add(&board->returns, 1);
	}
}
