/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/memory_limit.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cgroup.h"

/* Version 1 says "no limit" with a number near the end of what is possible. */
#define NO_LIMIT (UINT64_C(1) << 62)

static FILE *open_file(const char *root, const char *folder, const char *name)
{
	char path[2 * PATH_MAX];

	if (snprintf(path, sizeof(path), "%s%s/%s", root, folder, name) >=
	    (int)sizeof(path))
		return NULL;
	return fopen(path, "re");
}

/* Sums up the values of lines "KEY VALUE" whose key is one of the two. */
static uint64_t sum_of(FILE *file, const char *key, const char *other)
{
	uint64_t sum = 0, value;
	char line[256], word[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%127s %" SCNu64, word, &value) == 2 &&
		    (!strcmp(word, key) || !strcmp(word, other)))
			sum += value;
	if (file)
		(void)fclose(file);
	return sum;
}

static void take_machine(const char *root, struct rj_memory_limit *limit)
{
	const uint64_t total =
		sum_of(open_file(root, "/proc", "meminfo"), "MemTotal:", "");
	const uint64_t available = sum_of(open_file(root, "/proc", "meminfo"),
					  "MemAvailable:", "SwapFree:");

	if (!total)
		return;
	limit->available = available << 10;
	limit->limit = total << 10;
	limit->used = total > available ? (total - available) << 10 : 0;
	limit->by = "the machine";
}

static bool read_bytes(const struct rj_cgroup *group, const char *name,
		       uint64_t *ret)
{
	char words[2][RJ_CGROUP_WORD_BYTES] = { "", "" };
	char *end;

	if (!rj_cgroup_read(group, name, words))
		return false;
	*ret = strtoull(words[0], &end, 10);
	return end != words[0];
}

/* Swap that the group may still use, as far as the machine has any. */
static uint64_t swap_left(const struct rj_cgroup *group)
{
	const uint64_t there =
		sum_of(open_file(group->root, "/proc", "meminfo"),
		       "SwapFree:", "")
		<< 10;
	uint64_t most, used;

	if (!there || !group->version2)
		return 0;
	if (!read_bytes(group, "memory.swap.current", &used))
		return 0;
	if (!read_bytes(group, "memory.swap.max", &most))
		return there; /* "max" */
	most = most > used ? most - used : 0;
	return most < there ? most : there;
}

static void take_group(void *user, const struct rj_cgroup *group)
{
	struct rj_memory_limit *limit = user;
	const bool two = group->version2;
	uint64_t most, used, cache, left;

	if (!read_bytes(group, two ? "memory.max" : "memory.limit_in_bytes",
			&most) ||
	    most >= NO_LIMIT ||
	    !read_bytes(group, two ? "memory.current" : "memory.usage_in_bytes",
			&used))
		return;
	cache = sum_of(open_file(group->root, group->folder, "memory.stat"),
		       two ? "inactive_file" : "total_inactive_file",
		       two ? "active_file" : "total_active_file");
	used -= cache < used ? cache : used;
	left = (most > used ? most - used : 0) + swap_left(group);
	if (left >= limit->available)
		return;
	*limit = (struct rj_memory_limit){
		.available = left,
		.limit = most,
		.used = used,
		.by = "a memory cgroup",
	};
}

void rj_memory_limit_of(const char *root, struct rj_memory_limit *ret)
{
	*ret = (struct rj_memory_limit){
		.available = UINT64_MAX,
		.by = "nothing that is known",
	};
	take_machine(root, ret);
	rj_cgroup_visit(root, "memory", take_group, ret);
}

void rj_memory_limit_read(struct rj_memory_limit *ret)
{
	rj_memory_limit_of("", ret);
}
