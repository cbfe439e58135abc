/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/options/helper_limits.h"

#include <errno.h>

#include "util/error.h"
#include "util/parse.h"

/* The library's own limits. */
#define STATE_BYTES_MAX UINT64_C(67108864)
#define TOTAL_BYTES_MAX UINT64_C(1073741824)
#define TIMEOUT_US_MAX  UINT64_C(3600000000)

int rj_cli_helper_state_max(const char *what, const char *text,
			    struct ramjet_helper_options *options,
			    struct ramjet_error *err)
{
	uint64_t bytes, total;
	int rc = rj_parse_size(what, text, &bytes, err);

	if (rc)
		return rc;
	if (!bytes || bytes > STATE_BYTES_MAX)
		return rj_fail(err, -ERANGE,
			       "%s: '%s' is out of range, wanted 1 to 64M",
			       what, text);
	total = bytes * options->helpers_max;
	options->state_bytes_max = bytes;
	if (total > options->total_bytes_max)
		options->total_bytes_max =
			total < TOTAL_BYTES_MAX ? total : TOTAL_BYTES_MAX;
	return 0;
}

int rj_cli_helper_timeout(const char *what, const char *text,
			  struct ramjet_helper_options *options,
			  struct ramjet_error *err)
{
	uint64_t us;
	int rc = rj_parse_duration_us(what, text, &us, err);

	if (rc)
		return rc;
	if (!us || us > TIMEOUT_US_MAX)
		return rj_fail(err, -ERANGE,
			       "%s: '%s' is out of range, wanted 1ms to 1h",
			       what, text);
	options->gather_timeout_ms = (uint32_t)((us + 999) / 1000);
	options->helper_timeout_ms = options->gather_timeout_ms;
	return 0;
}
