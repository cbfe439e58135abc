/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guardian/slow_group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/error.h"

#define NAME        "ramjet-slow-"
#define NAME_UNDOES "+cpu"
/* Of a quota. The kernel's own default; 1 % of it is the least it takes. */
#define PERIOD_US 100000u

/* A group's name, and a file's, are shorter than what is added here. */
#define FOLDER_BYTES (PATH_MAX + 64u)
#define FILE_BYTES   (FOLDER_BYTES + 64u)

static int write_file(const char *folder, const char *name, const char *text)
{
	char path[FILE_BYTES];
	rj_autoclose int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

/* Is `word` among those in the file? */
static bool lists(const char *folder, const char *name, const char *word)
{
	char path[FILE_BYTES], found[64];
	bool listed = false;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	while (file && !listed && fscanf(file, "%63s", found) == 1)
		listed = !strcmp(found, word);
	if (file)
		(void)fclose(file);
	return listed;
}

static bool takes_cpu(const struct rj_slow_groups *g)
{
	return g->parent &&
	       (!g->version2 || lists(g->parent, "cgroup.controllers", "cpu"));
}

bool rj_slow_groups_find(pid_t pid, struct rj_slow_groups *ret)
{
	char task[64];

	(void)snprintf(task, sizeof(task), "/proc/%d", (int)pid);
	for (int version = 2; version >= 1; version--) {
		struct rj_slow_groups groups = {
			.parent = rj_cgroup_find("", task, version == 2, "cpu"),
			.version2 = version == 2,
			.pid = pid,
		};

		if (takes_cpu(&groups)) {
			*ret = groups;
			return true;
		}
		rj_slow_groups_done(&groups);
	}
	*ret = (struct rj_slow_groups)RJ_SLOW_GROUPS_NONE;
	return false;
}

void rj_slow_groups_done(struct rj_slow_groups *groups)
{
	free(groups->parent);
	groups->parent = NULL;
}

static const char *tasks_file(const struct rj_slow_groups *g)
{
	return g->version2 ? "cgroup.threads" : "tasks";
}

static int move_thread(const struct rj_slow_groups *g, const char *folder,
		       pid_t tid)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)tid);
	return write_file(folder, tasks_file(g), text);
}

/* Its threads go to the parent; one that has ended meanwhile is no fault. */
static int empty(const struct rj_slow_groups *g, const char *folder)
{
	char path[FILE_BYTES];
	FILE *file;
	int tid, rc = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, tasks_file(g));
	file = fopen(path, "re");
	while (file && !rc && fscanf(file, "%d", &tid) == 1) {
		rc = move_thread(g, g->parent, tid);
		if (rc == -ESRCH)
			rc = 0;
	}
	if (file)
		(void)fclose(file);
	return rc;
}

static int remove_group(const struct rj_slow_groups *g, const char *name,
			struct ramjet_error *err)
{
	char folder[FOLDER_BYTES];
	int rc;

	(void)snprintf(folder, sizeof(folder), "%s/%.63s", g->parent, name);
	rc = empty(g, folder);
	if (!rc && rmdir(folder) && errno != ENOENT)
		rc = -errno;
	return rc ? rj_fail_errno(err, rc, "throttle: %s", folder) : 0;
}

static bool is_ours(const char *name, const struct rj_slow_groups *g)
{
	char ours[32];

	(void)snprintf(ours, sizeof(ours), NAME "%d-", (int)g->pid);
	return !strncmp(name, ours, strlen(ours));
}

/* Of all there are, of any process. */
struct census {
	bool ours;
	bool others;
	bool undoes; /* the controller is there because of us */
};

static struct census look(const struct rj_slow_groups *g)
{
	DIR *folder = g->parent ? opendir(g->parent) : NULL;
	const struct dirent *entry;
	struct census found = { 0 };

	while (folder && (entry = readdir(folder))) {
		if (strncmp(entry->d_name, NAME, strlen(NAME)))
			continue;
		found.undoes |= strstr(entry->d_name, NAME_UNDOES) != NULL;
		found.ours |= is_ours(entry->d_name, g);
		found.others |= !is_ours(entry->d_name, g);
	}
	if (folder)
		(void)closedir(folder);
	return found;
}

static int remove_ours(const struct rj_slow_groups *g, struct ramjet_error *err)
{
	DIR *folder = opendir(g->parent);
	const struct dirent *entry;
	int rc = 0;

	while (folder && !rc && (entry = readdir(folder)))
		if (is_ours(entry->d_name, g))
			rc = remove_group(g, entry->d_name, err);
	if (folder)
		(void)closedir(folder);
	return rc;
}

int rj_slow_groups_mend(const struct rj_slow_groups *g,
			struct ramjet_error *err)
{
	const struct census found = look(g);
	int rc;

	if (!found.ours)
		return 0;
	rc = remove_ours(g, err);
	if (rc)
		return rc;
	/* Another process there that is slowed down needs it, too, and its
	 * groups' names say so. */
	if (found.undoes && !found.others)
		rc = write_file(g->parent, "cgroup.subtree_control", "-cpu");
	return rc ? rj_fail_errno(err, rc, "throttle: %s", g->parent) : 1;
}

/* Does the parent's subtree get the controller only because of us? */
static bool is_undone(const struct rj_slow_groups *g)
{
	return g->version2 &&
	       (look(g).undoes ||
		!lists(g->parent, "cgroup.subtree_control", "cpu"));
}

static int make_group(const struct rj_slow_groups *g, const char *folder,
		      struct ramjet_error *err)
{
	int rc;

	if (mkdir(folder, 0755) && errno != EEXIST)
		return rj_fail_errno(err, -errno,
				     "%s: no control group can be made there",
				     g->parent);
	if (!g->version2)
		return 0;
	rc = write_file(folder, "cgroup.type", "threaded");
	if (rc && !lists(folder, "cgroup.type", "threaded"))
		return rj_fail_errno(err, rc,
				     "%s: it can have no threaded groups, "
				     "wanted one without domain controllers or "
				     "other groups in it",
				     g->parent);
	rc = write_file(g->parent, "cgroup.subtree_control", "+cpu");
	if (rc)
		return rj_fail_errno(err, rc,
				     "%s: no cpu controller for its children",
				     g->parent);
	return 0;
}

static int set_quota(const struct rj_slow_groups *g, const char *folder,
		     unsigned percent, struct ramjet_error *err)
{
	const unsigned quota_us = (100 - percent) * (PERIOD_US / 100);
	char text[64];
	int rc;

	if (g->version2) {
		if (percent)
			(void)snprintf(text, sizeof(text), "%u %u", quota_us,
				       PERIOD_US);
		else
			(void)snprintf(text, sizeof(text), "max");
		rc = write_file(folder, "cpu.max", text);
	} else {
		(void)snprintf(text, sizeof(text), "%d",
			       percent ? (int)quota_us : -1);
		rc = write_file(folder, "cpu.cfs_quota_us", text);
	}
	return rc ? rj_fail_errno(err, rc, "%s: no quota can be set", folder)
		  : 0;
}

static void name_group(const struct rj_slow_groups *g, pid_t tid, bool undoes,
		       char path[FOLDER_BYTES])
{
	(void)snprintf(path, FOLDER_BYTES, "%s/" NAME "%d-%d%s", g->parent,
		       (int)g->pid, (int)tid, undoes ? NAME_UNDOES : "");
}

static int slow_down(const struct rj_slow_groups *g, pid_t tid, bool undoes,
		     unsigned percent, struct ramjet_error *err)
{
	char folder[FOLDER_BYTES];
	int rc;

	name_group(g, tid, undoes, folder);
	rc = make_group(g, folder, err);
	if (!rc)
		rc = set_quota(g, folder, percent, err);
	if (!rc)
		rc = move_thread(g, folder, tid);
	/* It has ended: nothing is left to be slowed down. */
	if (rc == -ESRCH)
		return 0;
	return rc ? rj_fail_errno(err, rc, "%s: thread %d", folder, (int)tid)
		  : 0;
}

int rj_slow_groups_set(const struct rj_slow_groups *g, const pid_t *threads,
		       unsigned count, unsigned percent,
		       struct ramjet_error *err)
{
	const bool undoes = is_undone(g);
	int rc = 0;

	for (unsigned i = 0; i < count && !rc; i++)
		rc = slow_down(g, threads[i], undoes, percent, err);
	return rc;
}

/* A thread that somebody has put elsewhere must not lose what it has there. */
static int check_place(const struct rj_slow_groups *g, pid_t tid,
		       struct ramjet_error *err)
{
	char task[64];
	rj_autofree char *folder = NULL;

	(void)snprintf(task, sizeof(task), "/proc/%d/task/%d", (int)g->pid,
		       (int)tid);
	folder = rj_cgroup_find("", task, g->version2, "cpu");
	if (!folder || strcmp(folder, g->parent))
		return rj_fail(err, -EBUSY,
			       "vCPU thread %d is in a control group of its "
			       "own already, %s",
			       (int)tid, folder ? folder : "which is not seen");
	return 0;
}

int rj_slow_groups_try(const struct rj_slow_groups *g, const pid_t *threads,
		       unsigned count, struct ramjet_error *err)
{
	char folder[FOLDER_BYTES];
	bool undoes;
	int rc = 0;

	for (unsigned i = 0; i < count && !rc; i++)
		rc = check_place(g, threads[i], err);
	if (rc)
		return rc;
	undoes = is_undone(g);
	name_group(g, threads[0], undoes, folder);
	rc = make_group(g, folder, err);
	if (!rc)
		rc = set_quota(g, folder, 1, err);
	if (!rc)
		/* Writing where it is already: the rights for the way back. */
		rc = move_thread(g, g->parent, threads[0]);
	if (rc)
		(void)rj_fail_errno(err, rc, "%s: threads", g->parent);
	(void)rj_slow_groups_mend(g, NULL);
	return rc;
}
