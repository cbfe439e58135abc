/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/migration/helper_report.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"

static struct ramjet_helper_info *describe(
	const struct rj_helper_result *results, size_t count)
{
	struct ramjet_helper_info *infos = calloc(count, sizeof(*infos));

	for (size_t i = 0; infos && i < count; i++) {
		infos[i].size = sizeof(infos[i]);
		memcpy(infos[i].id, results[i].id, sizeof(infos[i].id));
		memcpy(infos[i].bus_name, results[i].bus_name,
		       sizeof(infos[i].bus_name));
		infos[i].takes_part = !results[i].left_alone;
		infos[i].loaded = results[i].loaded;
		infos[i].bytes = results[i].bytes;
		infos[i].save_us = results[i].save_us;
		infos[i].load_us = results[i].load_us;
	}
	return infos;
}

void rj_report_helpers(const struct rj_env *env,
		       const struct rj_helpers *helpers)
{
	rj_autofree struct rj_helper_result *results = NULL;
	struct ramjet_helper_info *infos, *old;
	size_t count = 0;

	if (rj_helpers_results(helpers, &results, &count) || !count)
		return;
	infos = describe(results, count);
	if (!infos)
		return;
	rj_lock(env->lock);
	old = env->stats->helpers;
	env->stats->helpers = infos;
	env->stats->helper_count = count;
	rj_unlock(env->lock);
	free(old);
}
