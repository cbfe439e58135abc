/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/guest/blocker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"

int rj_blockers_add(struct rj_blockers *blockers, const char *reason,
		    struct ramjet_error *err)
{
	char *copy;

	if (!reason || !*reason)
		return rj_fail(err, -EINVAL, "blocker: no reason given");
	if (blockers->count == RJ_BLOCKERS_MAX)
		return rj_fail(err, -ENOSPC, "blocker: at most %u allowed",
			       RJ_BLOCKERS_MAX);
	copy = strdup(reason);
	if (!copy)
		return rj_fail(err, -ENOMEM, "blocker: out of memory");
	blockers->reasons[blockers->count++] = copy;
	return 0;
}

int rj_blockers_remove(struct rj_blockers *blockers, const char *reason)
{
	for (size_t i = 0; i < blockers->count; i++) {
		if (strcmp(blockers->reasons[i], reason))
			continue;
		free(blockers->reasons[i]);
		blockers->count--;
		memmove(&blockers->reasons[i], &blockers->reasons[i + 1],
			(blockers->count - i) * sizeof(char *));
		return 0;
	}
	return -ENOENT;
}

int rj_blockers_check(const struct rj_blockers *blockers,
		      struct ramjet_error *err)
{
	char all[400] = "";
	size_t used = 0;

	if (!blockers->count)
		return 0;
	for (size_t i = 0; i < blockers->count && used < sizeof(all) - 1; i++) {
		const int n = snprintf(all + used, sizeof(all) - used, "%s%s",
				       i ? "; " : "", blockers->reasons[i]);

		used += n > 0 ? (size_t)n : 0;
	}
	return rj_fail(err, -EPERM, "migration is blocked: %s", all);
}

void rj_blockers_done(struct rj_blockers *blockers)
{
	for (size_t i = 0; i < blockers->count; i++)
		free(blockers->reasons[i]);
	blockers->count = 0;
}
