/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/handle.h"
#include "dbus/vmstate.h"
#include "util/error.h"

static int by_id(const void *a, const void *b)
{
	const struct rj_helper_result *x = a, *y = b;

	return strcmp(x->id, y->id);
}

int rj_helpers_results(const struct rj_helpers *h,
		       struct rj_helper_result **ret, size_t *ret_count)
{
	struct rj_helper_result *results =
		calloc(h->roster.count + 1, sizeof(*results));
	size_t count = 0;

	if (!results)
		return -ENOMEM;
	for (size_t i = 0; i < h->roster.count; i++) {
		const struct rj_member *member = h->roster.members[i];
		struct rj_helper_result *result = &results[count];

		if (!member->takes_part)
			continue;
		memcpy(result->id, member->id, sizeof(member->id));
		memcpy(result->bus_name, member->bus_name,
		       sizeof(member->bus_name));
		result->bytes = member->bytes;
		result->save_us = member->save_us;
		result->load_us = member->load_us;
		result->loaded = member->loaded;
		result->left_alone = member->left_alone;
		count++;
	}
	if (count > 1)
		qsort(results, count, sizeof(*results), by_id);
	*ret = results;
	*ret_count = count;
	return 0;
}

void rj_helpers_times(const struct rj_helpers *h, uint64_t *ret_whole_us,
		      uint64_t *ret_slowest_us)
{
	uint64_t slowest = 0;

	for (size_t i = 0; i < h->roster.count; i++) {
		const struct rj_member *member = h->roster.members[i];
		uint64_t us = h->purpose == RJ_HELPERS_LOAD ? member->load_us
							    : member->save_us;

		if (member->takes_part && us > slowest)
			slowest = us;
	}
	*ret_whole_us = h->whole_us;
	*ret_slowest_us = slowest;
}
