/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/cpu_limit.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than any kernel is built for. */
#define CPUS_MAX       16384
#define LINE_MAX_BYTES 4096

/* A hierarchy that may hold a quota: where it is mounted, and where we are. */
struct hierarchy {
	bool version2;
	char mount[PATH_MAX]; /* the mount point */
	char top[PATH_MAX];   /* the group that is mounted there */
	char group[PATH_MAX]; /* ours */
};

static FILE *open_below(const char *root, const char *path)
{
	char full[2 * PATH_MAX];

	if (snprintf(full, sizeof(full), "%s%s", root, path) >=
	    (int)sizeof(full))
		return NULL;
	return fopen(full, "re");
}

/* Is `word` in the comma-separated list? */
static bool lists(const char *list, const char *word)
{
	const size_t length = strlen(word);

	while (list) {
		if (!strncmp(list, word, length) &&
		    (!list[length] || list[length] == ','))
			return true;
		list = strchr(list, ',');
		list = list ? list + 1 : NULL;
	}
	return false;
}

/* "ID:CONTROLLERS:PATH", version 2: "0::PATH". */
static bool find_group(const char *root, struct hierarchy *h)
{
	FILE *file = open_below(root, "/proc/self/cgroup");
	char line[LINE_MAX_BYTES];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		char *controllers = strchr(line, ':'), *path;

		path = controllers ? strchr(++controllers, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		found = h->version2 ? !strncmp(line, "0:", 2) && !*controllers
				    : lists(controllers, "cpu");
		if (found)
			(void)snprintf(h->group, sizeof(h->group), "%s", path);
	}
	if (file)
		(void)fclose(file);
	return found;
}

/* "ID PARENT DEVICE TOP MOUNT OPTIONS [TAGS] - TYPE SOURCE SUPER", proc(5). */
static bool take_mount(char *line, struct hierarchy *h)
{
	char *dash = strstr(line, " - ");
	char type[32], super[LINE_MAX_BYTES];

	if (!dash || sscanf(dash, " - %31s %*s %4095s", type, super) != 2 ||
	    sscanf(line, "%*s %*s %*s %4095s %4095s", h->top, h->mount) != 2)
		return false;
	return h->version2 ? !strcmp(type, "cgroup2")
			   : !strcmp(type, "cgroup") && lists(super, "cpu");
}

static bool find_mount(const char *root, struct hierarchy *h)
{
	FILE *file = open_below(root, "/proc/self/mountinfo");
	char line[LINE_MAX_BYTES];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = take_mount(line, h);
	if (file)
		(void)fclose(file);
	return found;
}

/* The file's first two words; false when it is not there. */
static bool read_words(const char *root, const char *folder, const char *name,
		       char words[2][32])
{
	char path[2 * PATH_MAX];
	FILE *file;
	int count;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = open_below(root, path);
	if (!file)
		return false;
	count = fscanf(file, "%31s %31s", words[0], words[1]);
	(void)fclose(file);
	return count >= 1;
}

/* A group's own quota over its period; no limit is said as "max" or -1. */
static bool read_quota(const char *root, const char *folder, bool version2,
		       long long *quota_us, long long *period_us)
{
	char words[2][32] = { "", "" };

	if (version2) {
		if (!read_words(root, folder, "cpu.max", words))
			return false;
	} else {
		char period[2][32] = { "", "" };

		if (!read_words(root, folder, "cpu.cfs_quota_us", words) ||
		    !read_words(root, folder, "cpu.cfs_period_us", period))
			return false;
		(void)memcpy(words[1], period[0], sizeof(words[1]));
	}
	*quota_us = strtoll(words[0], NULL, 10);
	*period_us = strtoll(words[1], NULL, 10);
	return *quota_us > 0 && *period_us > 0;
}

static void apply_quota(const char *root, const char *folder, bool version2,
			struct rj_cpu_limit *limit)
{
	long long quota_us, period_us, cpus;

	if (!read_quota(root, folder, version2, &quota_us, &period_us))
		return;
	cpus = quota_us / period_us + (quota_us % period_us > 0);
	/* Compared before it is rounded: 1.5 of 2 do limit. */
	if (quota_us / period_us >= (long long)limit->cpus)
		return;
	limit->cpus = (unsigned)cpus;
	limit->by = "cgroup quota";
	limit->quota_period_us =
		period_us < UINT32_MAX ? (uint32_t)period_us : UINT32_MAX;
}

/* Our group's path below the mount point. */
static const char *group_below(const struct hierarchy *h)
{
	const size_t length = strlen(h->top);

	if (!strcmp(h->top, "/"))
		return h->group;
	if (!strncmp(h->group, h->top, length) &&
	    (h->group[length] == '/' || !h->group[length]))
		return h->group + length;
	/* Mounted from elsewhere: what is on top there is what we can know. */
	return "";
}

/* From our group up to the one that is mounted. */
static void apply_hierarchy(const char *root, bool version2,
			    struct rj_cpu_limit *limit)
{
	struct hierarchy h = { .version2 = version2 };
	char folder[2 * PATH_MAX];
	size_t top;

	if (!find_group(root, &h) || !find_mount(root, &h))
		return;
	top = strlen(h.mount);
	(void)snprintf(folder, sizeof(folder), "%s%s", h.mount,
		       group_below(&h));
	for (;;) {
		char *slash;

		apply_quota(root, folder, version2, limit);
		slash = strrchr(folder, '/');
		if (!slash || (size_t)(slash - folder) < top)
			return;
		*slash = '\0';
	}
}

void rj_cpu_limit_of(const char *root, unsigned affinity,
		     struct rj_cpu_limit *ret)
{
	*ret = (struct rj_cpu_limit){
		.cpus = affinity ? affinity : 1,
		.by = "affinity",
	};
	apply_hierarchy(root, true, ret);
	apply_hierarchy(root, false, ret);
}

void rj_cpu_limit_read(struct rj_cpu_limit *ret)
{
	const size_t bytes = CPU_ALLOC_SIZE(CPUS_MAX);
	cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
	unsigned count = 1;

	if (set && !sched_getaffinity(0, bytes, set))
		count = (unsigned)CPU_COUNT_S(bytes, set);
	CPU_FREE(set);
	rj_cpu_limit_of("", count, ret);
}
