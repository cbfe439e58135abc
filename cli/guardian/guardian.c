/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guardian/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/guardian/page.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/mutex.h"

#define SELF "/proc/self/exe"
/* Chosen: a monitor is free at once, or somebody else has it: then a person
 * looks sooner than any figure here would help. */
#define PATIENCE_MS 30000u
/* A process that begins and says a byte; more than a loaded machine needs. */
#define READY_MS 20000

struct rj_guardian {
	/* immutable after start */
	struct rj_guardian_file file;
	char *program; /* NULL: SELF */
	enum rj_guardian_left left;
	char left_words[1024];
	struct rj_mutex lock; /* a leaf */
	/* guarded by lock */
	pid_t pid RJ_GUARDED_BY(lock);   /* 0: none */
	int life_fd RJ_GUARDED_BY(lock); /* its other end is the guardian's;
					  * ours closes when we die */
};

/* In the child, before exec: only what may follow fork() where there are
 * threads. Two descriptors stay, and standard error, for its words. */
_Noreturn static void become(const char *program, int life_fd, int page_fd)
{
	char *const argv[] = { RJ_GUARDIAN_NAME, NULL };

	sigset_t none;

	(void)setsid();
	(void)sigfillset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(life_fd, STDIN_FILENO) < 0 || dup2(page_fd, STDOUT_FILENO) < 0)
		_exit(127);
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
	(void)execv(program, argv);
	_exit(127);
}

/* It says a byte when it watches. */
static int await_ready(int fd, struct ramjet_error *err)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char byte;
	int rc;

	do {
		rc = poll(&ready, 1, READY_MS);
	} while (rc < 0 && errno == EINTR);
	if (rc <= 0 || read(fd, &byte, 1) != 1)
		return rj_fail(err, -EIO,
			       "guardian: it does not start, wanted /proc to "
			       "be mounted and a process more to be allowed");
	return 0;
}

static void forget_locked(struct rj_guardian *g) RJ_REQUIRES(g->lock)
{
	/* Also where somebody was forked meanwhile, and has a copy. */
	if (g->life_fd >= 0)
		(void)shutdown(g->life_fd, SHUT_RDWR);
	rj_close_fd(&g->life_fd);
	if (g->pid)
		while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
			;
	g->pid = 0;
}

static int spawn_locked(struct rj_guardian *g, struct ramjet_error *err)
	RJ_REQUIRES(g->lock)
{
	const char *program = g->program ? g->program : SELF;
	int ends[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return rj_fail_errno(err, -errno, "guardian: socketpair");
	g->pid = fork();
	if (!g->pid)
		become(program, ends[1], g->file.fd);
	(void)close(ends[1]);
	g->life_fd = ends[0];
	if (g->pid < 0) {
		rc = rj_fail_errno(err, -errno, "guardian: fork");
		g->pid = 0;
	} else {
		rc = await_ready(g->life_fd, err);
	}
	if (rc) {
		if (g->pid)
			(void)kill(g->pid, SIGKILL);
		forget_locked(g);
	}
	return rc;
}

static bool lives_locked(struct rj_guardian *g) RJ_REQUIRES(g->lock)
{
	struct pollfd life = { .fd = g->life_fd, .events = POLLIN };

	return g->life_fd >= 0 && !poll(&life, 1, 0);
}

/* One that was killed is replaced. */
static int ensure_locked(struct rj_guardian *g, struct ramjet_error *err)
	RJ_REQUIRES(g->lock)
{
	if (lives_locked(g))
		return 0;
	forget_locked(g);
	return spawn_locked(g, err);
}

static void free_all(struct rj_guardian *g)
{
	rj_guardian_file_close(&g->file);
	rj_mutex_done(&g->lock);
	free(g->program);
	free(g);
}

int rj_guardian_start(const struct rj_guardian_order *order,
		      struct rj_guardian **ret, struct ramjet_error *err)
{
	struct rj_guardian_order full = *order;
	struct rj_guardian *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return rj_fail(err, -ENOMEM, "guardian: out of memory");
	if (!full.patience_ms)
		full.patience_ms = PATIENCE_MS;
	g->life_fd = g->file.fd = -1;
	rj_mutex_init(&g->lock);
	g->program = order->program ? strdup(order->program) : NULL;
	rc = order->program && !g->program
		     ? rj_fail(err, -ENOMEM, "guardian: out of memory")
		     : rj_guardian_file_open(&full, &g->file, &g->left,
					     g->left_words,
					     sizeof(g->left_words), err);
	if (!rc) {
		rj_lock(&g->lock);
		rc = spawn_locked(g, err);
		rj_unlock(&g->lock);
	}
	if (rc) {
		free_all(g);
		return rc;
	}
	*ret = g;
	return 0;
}

enum rj_guardian_left rj_guardian_earlier(const struct rj_guardian *g,
					  const char **ret_words)
{
	if (ret_words)
		*ret_words = g->left_words;
	return g->left;
}

pid_t rj_guardian_pid(struct rj_guardian *g)
{
	pid_t pid;

	rj_lock(&g->lock);
	pid = lives_locked(g) ? g->pid : 0;
	rj_unlock(&g->lock);
	return pid;
}

static void mark(struct rj_guardian *g, uint32_t bits)
{
	atomic_fetch_or(&g->file.page->marks, bits);
}

static void unmark(struct rj_guardian *g, uint32_t bits)
{
	atomic_fetch_and(&g->file.page->marks, ~bits);
}

static int mark_guarded(struct rj_guardian *g, uint32_t bits,
			struct ramjet_error *err)
{
	int rc;

	rj_lock(&g->lock);
	rc = ensure_locked(g, err);
	if (!rc)
		mark(g, bits);
	rj_unlock(&g->lock);
	return rc;
}

int rj_guardian_stopping(struct rj_guardian *g, struct ramjet_error *err)
{
	return mark_guarded(g, RJ_GUARDIAN_STOPPED, err);
}

int rj_guardian_nap(struct rj_guardian *g, bool begins,
		    struct ramjet_error *err)
{
	if (begins)
		return mark_guarded(g, RJ_GUARDIAN_NAPPING, err);
	unmark(g, RJ_GUARDIAN_NAPPING);
	return 0;
}

void rj_guardian_running(struct rj_guardian *g)
{
	unmark(g, RJ_GUARDIAN_STOPPED | RJ_GUARDIAN_STARTING |
			  RJ_GUARDIAN_COMMITTED);
}

void rj_guardian_committing(struct rj_guardian *g)
{
	mark(g, RJ_GUARDIAN_COMMITTED);
}

void rj_guardian_handed_over(struct rj_guardian *g)
{
	atomic_store(&g->file.page->marks, 0);
}

void rj_guardian_starting(struct rj_guardian *g)
{
	mark(g, RJ_GUARDIAN_STARTING);
}

/* Two, of which one holds: the other is written, then the index. */
int rj_guardian_undo(struct rj_guardian *g, const char *commands,
		     struct ramjet_error *err)
{
	const size_t bytes = strlen(commands) + 1;
	struct rj_guardian_page *page = g->file.page;
	unsigned next;

	if (bytes > RJ_GUARDIAN_UNDO_BYTES)
		return rj_fail(err, -E2BIG,
			       "guardian: %zu bytes of commands, at most %u",
			       bytes, RJ_GUARDIAN_UNDO_BYTES);
	rj_lock(&g->lock);
	next = !atomic_load(&page->undo_now);
	memcpy(page->undo[next], commands, bytes);
	atomic_store(&page->undo_now, next);
	rj_unlock(&g->lock);
	return 0;
}

/* What stays marked is resumed by it, or by one more that is started. */
static int dismiss(struct rj_guardian *g, struct ramjet_error *err)
{
	struct rj_guardian_page *page = g->file.page;
	bool owed;
	int rc = 0;

	/* Ramjet itself says how a handover ended. */
	if (atomic_load(&page->marks) & RJ_GUARDIAN_COMMITTED)
		atomic_store(&page->marks, 0);
	owed = atomic_load(&page->marks) & RJ_GUARDIAN_OWED;
	rj_lock(&g->lock);
	if (owed)
		rc = ensure_locked(g, err);
	else
		mark(g, RJ_GUARDIAN_DISMISSED);
	forget_locked(g);
	rj_unlock(&g->lock);
	if (rc || !owed || atomic_load(&page->outcome) == RJ_GUARDIAN_RESUMED)
		return rc;
	page->words[sizeof(page->words) - 1] = '\0';
	return rj_fail(err, -EIO, "the guest was not resumed: %s",
		       *page->words ? page->words : "its guardian has died");
}

int rj_guardian_end(struct rj_guardian *g, struct ramjet_error *err)
{
	int rc;

	if (!g)
		return 0;
	rc = dismiss(g, err);
	if (!rc)
		rj_guardian_file_remove(&g->file);
	free_all(g);
	return rc;
}
