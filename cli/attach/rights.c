/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/attach/inject_net.h"
#include "cli/attach/peer.h"
#include "cli/attach/preload.h"
#include "cli/attach/proc.h"
#include "cli/attach/seccomp.h"
#include "util/cleanup.h"
#include "util/error.h"

#define YAMA_PATH "/proc/sys/kernel/yama/ptrace_scope"
#define YAMA_NONE (-1)

/* ---- who is who -------------------------------------------------------- */

struct side {
	uint64_t uids[3]; /* real, effective, saved */
	uint64_t gids[3];
	uint64_t effective; /* capabilities */
	uint64_t permitted;
	uint64_t tracer;
};

static bool look(pid_t pid, struct side *ret)
{
	rj_autofree char *text = NULL;
	size_t bytes = 0;
	bool all = true;

	if (rj_attach_proc_read(pid, "status", &text, &bytes))
		return false;
	for (unsigned i = 0; i < 3; i++)
		all = rj_attach_proc_number(text, "Uid", 10, i,
					    &ret->uids[i]) &&
		      rj_attach_proc_number(text, "Gid", 10, i,
					    &ret->gids[i]) &&
		      all;
	return rj_attach_proc_number(text, "CapEff", 16, 0, &ret->effective) &&
	       rj_attach_proc_number(text, "CapPrm", 16, 0, &ret->permitted) &&
	       rj_attach_proc_number(text, "TracerPid", 10, 0, &ret->tracer) &&
	       all;
}

static bool has(const struct side *side, unsigned capability)
{
	return side->effective >> capability & 1;
}

static bool is_all(const uint64_t *ids, uint64_t id)
{
	return ids[0] == id && ids[1] == id && ids[2] == id;
}

static int read_number(const char *path, int otherwise)
{
	char text[32];
	rj_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (got <= 0)
		return otherwise;
	text[got] = '\0';
	return (int)strtol(text, NULL, 10);
}

/* The files of one that may not be dumped belong to root; its folder doesn't. */
static bool is_hidden(pid_t pid, const struct side *side)
{
	char path[64];
	struct stat status;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	return !stat(path, &status) && status.st_uid != side->uids[1];
}

/* ---- what is missing --------------------------------------------------- */

/* What keeps ptrace out, and what would help; empty: nothing is known to. */
struct reason {
	int code;
	char what[200];
	const char *wanted;
};

RJ_PRINTF(4, 5)
static void because(struct reason *r, int code, const char *wanted,
		    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(r->what, sizeof(r->what), format, args);
	va_end(args);
	r->code = code;
	r->wanted = wanted;
}

static void look_at_yama(struct reason *r, const struct side *mine)
{
	const int scope = read_number(YAMA_PATH, YAMA_NONE);

	if (scope == 3)
		because(r, -EPERM, "another (set at boot), or via=preload",
			YAMA_PATH " is 3: nobody may use ptrace");
	else if (scope > 0 && !has(mine, CAP_SYS_PTRACE))
		because(r, -EPERM, "0, or CAP_SYS_PTRACE, or via=preload",
			YAMA_PATH " is %d", scope);
}

static void look_at_tracer(struct reason *r, const struct side *theirs)
{
	char name[64];

	if (!theirs->tracer)
		return;
	rj_attach_pid_name((pid_t)theirs->tracer, name, sizeof(name));
	because(r, -EBUSY, "no debugger on it, or via=preload",
		"it is traced by process %d (%s) already", (int)theirs->tracer,
		name);
}

static void look_at_users(struct reason *r, const struct side *mine,
			  const struct side *theirs)
{
	if (!is_all(theirs->uids, mine->uids[0]))
		because(r, -EPERM, "CAP_SYS_PTRACE, or the same user",
			"its user is %llu, ours %llu",
			(unsigned long long)theirs->uids[1],
			(unsigned long long)mine->uids[0]);
	else if (!is_all(theirs->gids, mine->gids[0]))
		because(r, -EPERM, "CAP_SYS_PTRACE, or the same group",
			"its group is %llu, ours %llu",
			(unsigned long long)theirs->gids[1],
			(unsigned long long)mine->gids[0]);
	else if (theirs->permitted & ~mine->permitted)
		because(r, -EPERM, "CAP_SYS_PTRACE",
			"it has capabilities that this process has not");
}

static bool find_reason(pid_t pid, struct reason *r)
{
	struct side mine;
	struct side theirs;

	if (!look(getpid(), &mine) || !look(pid, &theirs))
		return false;
	look_at_tracer(r, &theirs);
	if (!r->code && !has(&mine, CAP_SYS_PTRACE))
		look_at_users(r, &mine, &theirs);
	if (!r->code && !has(&mine, CAP_SYS_PTRACE) && is_hidden(pid, &theirs))
		because(r, -EPERM, "CAP_SYS_PTRACE, or via=preload",
			"it is not dumpable (prctl PR_SET_DUMPABLE; so is one "
			"that has changed its user)");
	if (!r->code)
		look_at_yama(r, &mine);
	return r->code;
}

int rj_attach_rights_fail(pid_t pid, const char *what, int code,
			  struct ramjet_error *err)
{
	struct reason r = { 0 };
	char name[64];

	rj_attach_pid_name(pid, name, sizeof(name));
	if (code == -ENOENT || code == -ESRCH)
		return rj_fail(err, -ESRCH,
			       "process %d has ended, wanted it to live",
			       (int)pid);
	if ((code == -EPERM || code == -EACCES) && find_reason(pid, &r))
		return rj_fail(err, r.code,
			       "%s of process %d (%s): %s; wanted %s", what,
			       (int)pid, name, r.what, r.wanted);
	return rj_fail_wanted(err, code, "CAP_SYS_PTRACE in its user namespace",
			      "%s of process %d (%s)", what, (int)pid, name);
}
