/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_CGROUP_H
#define RJ_UTIL_CGROUP_H
/* The control groups this process is in, of either version: where to read what
 * they allow. Groups that cannot be seen are passed over in silence. */
#include <stdbool.h>

#define RJ_CGROUP_WORD_BYTES 32

/* One group: `folder` holds its files. */
struct rj_cgroup {
	const char *root;
	const char *folder; /* below root */
	bool version2;
};
typedef void rj_cgroup_fn(void *user, const struct rj_cgroup *group);

/* Calls fn for each group from ours up to the one that is mounted, first of
 * version 2, then of the hierarchy of `controller` ("cpu") in version 1.
 * `root` is put before every path: "", but for tests. */
void rj_cgroup_visit(const char *root, const char *controller, rj_cgroup_fn *fn,
		     void *user);
/* The first two words of a group's file; false when it is not there. */
bool rj_cgroup_read(const struct rj_cgroup *group, const char *name,
		    char words[2][RJ_CGROUP_WORD_BYTES]);
/*
 * The folder of the group that `task` ("/proc/12/task/13") is in: of version 2,
 * or of the hierarchy of `controller` in version 1. *returned*; NULL when there
 * is no such group, or it cannot be seen from here.
 */
char *rj_cgroup_find(const char *root, const char *task, bool version2,
		     const char *controller);
#endif
