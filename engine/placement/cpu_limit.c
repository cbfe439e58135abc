/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/placement/cpu_limit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/cgroup.h"
#include "util/cpus.h"

/* A group's own quota over its period; no limit is said as "max" or -1. */
static bool read_quota(const struct rj_cgroup *group, long long *quota_us,
		       long long *period_us)
{
	char words[2][RJ_CGROUP_WORD_BYTES] = { "", "" };

	if (group->version2) {
		if (!rj_cgroup_read(group, "cpu.max", words))
			return false;
	} else {
		char period[2][RJ_CGROUP_WORD_BYTES] = { "", "" };

		if (!rj_cgroup_read(group, "cpu.cfs_quota_us", words) ||
		    !rj_cgroup_read(group, "cpu.cfs_period_us", period))
			return false;
		(void)memcpy(words[1], period[0], sizeof(words[1]));
	}
	*quota_us = strtoll(words[0], NULL, 10);
	*period_us = strtoll(words[1], NULL, 10);
	return *quota_us > 0 && *period_us > 0;
}

static void apply_quota(void *user, const struct rj_cgroup *group)
{
	struct rj_cpu_limit *limit = user;
	long long quota_us, period_us, cpus;

	if (!read_quota(group, &quota_us, &period_us))
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

void rj_cpu_limit_of(const char *root, unsigned affinity,
		     struct rj_cpu_limit *ret)
{
	*ret = (struct rj_cpu_limit){
		.cpus = affinity ? affinity : 1,
		.by = "affinity",
	};
	rj_cgroup_visit(root, "cpu", apply_quota, ret);
}

void rj_cpu_limit_read(struct rj_cpu_limit *ret)
{
	rj_cpu_limit_of("", rj_allowed_cpus(), ret);
}
