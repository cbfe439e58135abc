/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guardian/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <unistd.h>

#include "cli/guardian/page.h"
#include "cli/guardian/slow_group.h"
#include "cli/qmp/caller.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/compiler.h"

/* The lowest numbers that are not standard streams. */
#define ABOVE_STREAMS 3
/* Between two looks whether the monitor is free. */
#define RETRY_MS 100

struct watch {
	struct rj_guardian_file file;
	int life_fd;   /* closed at its other end when ramjet ends */
	int ramjet_fd; /* pidfd: a copy that it forked may hold that end */
	int vmm_fd;    /* pidfd; -1: not to be had */
	struct rj_slow_groups groups; /* where throttled vCPUs' groups are */
	struct rj_qmp_caller monitor;
};

bool rj_guardian_is_meant(int argc, char **argv)
{
	return argc == 1 && !strcmp(argv[0], RJ_GUARDIAN_NAME);
}

static bool is_gone(int pidfd, int wait_ms)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	return poll(&end, 1, wait_ms) > 0;
}

/* Standard input is the life, standard output the page: out of the way of
 * whatever may print. */
static bool take(struct watch *w)
{
	int page_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, ABOVE_STREAMS);
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	w->life_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, ABOVE_STREAMS);
	if (page_fd < 0 || w->life_fd < 0 || null_fd < 0 ||
	    dup2(null_fd, STDIN_FILENO) < 0 ||
	    dup2(null_fd, STDOUT_FILENO) < 0 ||
	    rj_guardian_file_take(page_fd, &w->file))
		return false;
	(void)close(null_fd);
	w->ramjet_fd = pidfd_open(w->file.page->ramjet_pid, 0);
	w->vmm_fd = pidfd_open(w->file.page->vmm_pid, 0);
	if (rj_guardian_born(w->file.page->vmm_pid) != w->file.page->vmm_born)
		return false;
	rj_slow_groups_find(w->file.page->vmm_pid, &w->groups);
	return true;
}

/* Nothing is ever said there by ramjet: what comes is its end, or the
 * dismissal. */
static void await_end(const struct watch *w)
{
	struct pollfd ends[] = {
		{ .fd = w->life_fd, .events = POLLIN },
		{ .fd = w->ramjet_fd, .events = POLLIN },
	};
	const char ready = 'r';

	/* No longer its child: it is dead, and its number may be another's. */
	if (write(w->life_fd, &ready, 1) != 1 ||
	    getppid() != w->file.page->ramjet_pid)
		return;
	while (poll(ends, RJ_ARRAY_SIZE(ends), -1) < 0 && errno == EINTR)
		;
}

static void end_with(struct watch *w, enum rj_guardian_outcome outcome,
		     const char *words)
{
	struct rj_guardian_page *page = w->file.page;

	(void)snprintf(page->words, sizeof(page->words), "%s", words);
	atomic_store(&page->outcome, outcome);
	(void)dprintf(STDERR_FILENO, RJ_GUARDIAN_NAME ": %s: %s\n",
		      page->qmp_path, words);
	openlog(RJ_GUARDIAN_NAME, LOG_PID, LOG_DAEMON);
	syslog(outcome == RJ_GUARDIAN_RESUMED ? LOG_NOTICE : LOG_ERR, "%s: %s",
	       page->qmp_path, words);
}

/* The monitor serves one client at a time: ramjet's own connection has ended
 * with it, or will in a moment, but somebody else may wait there, too. */
static int say(struct watch *w, const char *command, uint64_t end_ns,
	       struct ramjet_error *err)
{
	for (;;) {
		int rc = 0;

		*err = (struct ramjet_error){ 0 };
		if (w->monitor.fd < 0)
			rc = rj_qmp_caller_open(w->file.page->qmp_path,
						&w->monitor, err);
		if (!rc)
			rc = rj_qmp_caller_call(&w->monitor, command, NULL,
						NULL, err);
		/* Done, or it does not want to. */
		if (!rc || rc == -EREMOTEIO)
			return rc;
		rj_qmp_caller_close(&w->monitor);
		if (is_gone(w->vmm_fd, RETRY_MS))
			return -ESRCH;
		if (rj_now_ns() >= end_ns)
			return rc;
	}
}

/* A line of the undo list; what fails is passed over. */
static void say_line(struct watch *w, const char *line)
{
	struct ramjet_error err = { 0 };
	json_t *order = json_loads(line, 0, NULL);
	const char *command =
		json_string_value(json_object_get(order, "execute"));
	json_t *arguments = json_object_get(order, "arguments");

	if (command)
		(void)!rj_qmp_caller_call(&w->monitor, command,
					  json_incref(arguments), NULL, &err);
	json_decref(order);
}

static char *undo_of(struct rj_guardian_page *page)
{
	char *undo = page->undo[atomic_load(&page->undo_now) & 1];

	undo[RJ_GUARDIAN_UNDO_BYTES - 1] = '\0';
	return undo;
}

static void say_undo(struct watch *w)
{
	char *rest = undo_of(w->file.page), *line;

	while ((line = strsep(&rest, "\n")))
		say_line(w, line);
}

static void resume(struct watch *w, uint64_t end_ns)
{
	const int ramjet = w->file.page->ramjet_pid;
	struct ramjet_error err;
	char words[sizeof(w->file.page->words)];
	int rc = say(w, "cont", end_ns, &err);

	if (rc == -ESRCH) {
		end_with(w, RJ_GUARDIAN_VMM_ENDED,
			 "ramjet died in the pause, and so has the VMM");
		rj_guardian_file_remove(&w->file);
		return;
	}
	if (rc) {
		(void)snprintf(words, sizeof(words),
			       "ramjet (process %d) died in the pause, and the "
			       "guest could not be resumed: %s",
			       ramjet, err.message);
		end_with(w, RJ_GUARDIAN_GAVE_UP, words);
		return;
	}
	(void)snprintf(words, sizeof(words),
		       "ramjet (process %d) died in the pause; the guest was "
		       "resumed",
		       ramjet);
	end_with(w, RJ_GUARDIAN_RESUMED, words);
	say_undo(w);
}

static void tell_person(struct watch *w)
{
	char words[sizeof(w->file.page->words)];

	(void)snprintf(words, sizeof(words),
		       "ramjet (process %d) died after COMMIT, before it knew "
		       "of the target's start: the guest is left paused here. "
		       "Look at the target: if it runs there, end this VMM; if "
		       "it does not and never will, 'cont' here",
		       w->file.page->ramjet_pid);
	end_with(w, RJ_GUARDIAN_TOLD, words);
}

static void put_right(struct watch *w)
{
	struct rj_guardian_page *page = w->file.page;
	const uint32_t marks = atomic_load(&page->marks);
	const uint64_t end_ns =
		rj_now_ns() + page->patience_ms * UINT64_C(1000000);
	struct ramjet_error err;

	if (marks & RJ_GUARDIAN_DISMISSED)
		return;
	if (marks & RJ_GUARDIAN_COMMITTED) {
		tell_person(w);
		return;
	}
	(void)rj_slow_groups_mend(&w->groups, &err);
	if (marks & RJ_GUARDIAN_OWED) {
		resume(w, end_ns);
		return;
	}
	/* Any command, to have a connection. */
	if (*undo_of(page) && !say(w, "query-status", end_ns, &err))
		say_undo(w);
	rj_guardian_file_remove(&w->file);
}

int rj_guardian_main(void)
{
	struct watch w = { .monitor = RJ_QMP_CALLER_NONE };

	/* What ps shows; else it would be "exe". */
	(void)prctl(PR_SET_NAME, "rj/guardian");
	if (!take(&w))
		return EXIT_FAILURE;
	await_end(&w);
	put_right(&w);
	rj_qmp_caller_close(&w.monitor);
	return EXIT_SUCCESS;
}
