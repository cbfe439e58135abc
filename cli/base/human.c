/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/base/human.h"

#include <stdbool.h>

#include "util/compiler.h"

#define SPAN_US_MAX 999000000u

const char *rj_cli_human_size(uint64_t bytes, char text[RJ_CLI_HUMAN_BYTES])
{
	static const char *const units[] = { "KiB", "MiB", "GiB",
					     "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	unsigned unit = 0;

	if (bytes < 1024) {
		(void)snprintf(text, RJ_CLI_HUMAN_BYTES, "%u B",
			       (unsigned)bytes);
		return text;
	}
	/* 1023.5 KiB would round to 1024. */
	for (; value >= 1023.5 && unit + 1 < RJ_ARRAY_SIZE(units); unit++)
		value /= 1024;
	(void)snprintf(text, RJ_CLI_HUMAN_BYTES, "%.*f %s", value < 99.95,
		       value, units[unit]);
	return text;
}

const char *rj_cli_human_rate(uint64_t bytes_per_s,
			      char text[RJ_CLI_HUMAN_BYTES])
{
	size_t length;

	(void)rj_cli_human_size(bytes_per_s, text);
	length = strlen(text);
	(void)snprintf(text + length, RJ_CLI_HUMAN_BYTES - length, "/s");
	return text;
}

const char *rj_cli_human_time(uint64_t us, char text[RJ_CLI_HUMAN_BYTES])
{
	uint64_t seconds = us / 1000000;

	/* What would look like nothing. */
	if (us && us < 50)
		(void)snprintf(text, RJ_CLI_HUMAN_BYTES, "%u us", (unsigned)us);
	else if (us < 999950)
		(void)snprintf(text, RJ_CLI_HUMAN_BYTES, "%.1f ms",
			       (double)us / 1e3);
	else if (us < 119950000)
		(void)snprintf(text, RJ_CLI_HUMAN_BYTES, "%.1f s",
			       (double)us / 1e6);
	else
		(void)snprintf(text, RJ_CLI_HUMAN_BYTES, "%llu m %02u s",
			       (unsigned long long)(seconds / 60),
			       (unsigned)(seconds % 60));
	return text;
}

const char *rj_cli_human_span(uint64_t from_us, uint64_t to_us,
			      char text[RJ_CLI_HUMAN_BYTES])
{
	bool seconds = to_us >= 999500;
	double unit = seconds ? 1e6 : 1e3;
	double from = (double)from_us / unit, to = (double)to_us / unit;

	if (to_us > SPAN_US_MAX)
		(void)snprintf(text, RJ_CLI_HUMAN_BYTES, "over %u s",
			       SPAN_US_MAX / 1000000);
	else
		(void)snprintf(text, RJ_CLI_HUMAN_BYTES, "%.*f-%.*f %s",
			       from < 9.95, from, to < 9.95, to,
			       seconds ? "s" : "ms");
	return text;
}

const char *rj_cli_human_count(uint64_t count, char text[RJ_CLI_HUMAN_BYTES])
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%llu",
			      (unsigned long long)count);
	int out = 0;

	for (int i = 0; i < length && out + 1 < RJ_CLI_HUMAN_BYTES; i++) {
		if (i && (length - i) % 3 == 0)
			text[out++] = ',';
		text[out++] = digits[i];
	}
	text[out] = '\0';
	return text;
}
