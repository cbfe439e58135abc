/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/report/known.h"

#include <string.h>

#include "util/compiler.h"

static const struct {
	uint64_t bit;
	const char *name;
} rows[] = {
	{ RAMJET_KNOWN_REMAINING, "remaining" },
	{ RAMJET_KNOWN_DOWNTIME, "downtime" },
	{ RAMJET_KNOWN_PREDICTION, "prediction" },
	{ RAMJET_KNOWN_CONVERGENCE, "convergence" },
	{ RAMJET_KNOWN_CAPACITY, "capacity" },
	{ RAMJET_KNOWN_THROUGHPUT, "throughput" },
	{ RAMJET_KNOWN_CURRENT_RATE, "current_rate" },
	{ RAMJET_KNOWN_DIRTY_RATE, "dirty_rate" },
	{ RAMJET_KNOWN_PATH_RTT, "path_rtt" },
	{ RAMJET_KNOWN_GUEST_DOWNTIME, "guest_downtime" },
};

json_t *rj_cli_known_show(const struct ramjet_info *info)
{
	json_t *array = json_array();

	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++)
		if (info->known & rows[i].bit)
			(void)json_array_append_new(array,
						    json_string(rows[i].name));
	return array;
}

uint64_t rj_cli_known_read(const json_t *array)
{
	uint64_t known = 0;
	const json_t *value;
	size_t index;

	json_array_foreach(array, index, value)
	{
		const char *name = json_string_value(value);

		for (size_t i = 0; name && i < RJ_ARRAY_SIZE(rows); i++)
			if (!strcmp(rows[i].name, name))
				known |= rows[i].bit;
	}
	return known;
}
