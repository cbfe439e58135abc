/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/options/fewer_bytes.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "util/error.h"
#include "util/parse.h"

/* What zstd(1) has: its levels below -7 save next to nothing, and those from
 * 20 on take memory that a worker does not have. */
#define LEVEL_LEAST (-7)
#define LEVEL_MOST  19

int rj_cli_compress_level(const char *what, const char *text, int32_t *ret,
			  struct ramjet_error *err)
{
	const bool below = *text == '-';
	uint64_t number;

	if (rj_parse_uint(what, text + below, 0,
			  below ? -LEVEL_LEAST : LEVEL_MOST, &number, NULL))
		return rj_fail(err, -EINVAL,
			       "%s: '%.100s' is not a level of zstd's, wanted "
			       "%d to %d",
			       what, text, LEVEL_LEAST, LEVEL_MOST);
	*ret = below ? -(int32_t)number : (int32_t)number;
	return 0;
}

int rj_cli_compress(const char *what, const char *text, bool is_target,
		    struct ramjet_params *params, struct ramjet_error *err)
{
	if (!strcmp(text, "auto")) {
		params->compression = RAMJET_COMPRESSION_AUTO;
		return 0;
	}
	if (!strcmp(text, "none")) {
		params->compression = RAMJET_COMPRESSION_NONE;
		return 0;
	}
	if (is_target)
		return rj_fail(err, -EINVAL,
			       "%s: '%.100s' is for the source to say, wanted "
			       "auto or none",
			       what, text);
	if (strncmp(text, "zstd", 4) || (text[4] && text[4] != ':'))
		return rj_fail(err, -EINVAL,
			       "%s: '%.100s' is unknown, wanted auto, none, "
			       "zstd or zstd:LEVEL",
			       what, text);
	params->compression = RAMJET_COMPRESSION_ZSTD;
	return text[4] ? rj_cli_compress_level(what, text + 5,
					       &params->compression_level, err)
		       : 0;
}

int rj_cli_compress_cpu(const char *what, const char *text,
			struct ramjet_params *params, struct ramjet_error *err)
{
	unsigned percent;
	int rc = rj_parse_percent(what, text, &percent, err);

	if (!rc && !percent)
		return rj_fail(err, -ERANGE,
			       "%s: '%.100s' is too little, wanted 1 to 100, "
			       "or --compress none",
			       what, text);
	if (!rc)
		params->compression_cpu_percent = percent;
	return rc;
}

int rj_cli_delta_cache(const char *what, const char *text,
		       struct ramjet_params *params, struct ramjet_error *err)
{
	uint64_t bytes = RAMJET_DELTA_CACHE_AUTO;

	if (!strcmp(text, "off")) {
		params->deltas = RAMJET_DELTAS_OFF;
		return 0;
	}
	if (strcmp(text, "auto") != 0 &&
	    (rj_parse_size(what, text, &bytes, NULL) || !bytes))
		return rj_fail(err, -EINVAL,
			       "%s: '%.100s' is unknown, wanted a size above "
			       "0, auto or off",
			       what, text);
	params->deltas = RAMJET_DELTAS_AUTO;
	params->delta_cache_bytes = bytes;
	return 0;
}
