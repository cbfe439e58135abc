/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/options.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

int rj_options_load(const char *what, void *known, size_t known_size,
		    const void *given, struct ramjet_error *err)
{
	const unsigned char *bytes = given;
	size_t size;

	if (!given)
		return 0;
	memcpy(&size, given, sizeof(size));
	if (size < sizeof(size) || size > 65536)
		return rj_fail(err, -EINVAL,
			       "%s: size is %zu: set it with the INIT macro",
			       what, size);
	for (size_t i = known_size; i < size; i++)
		if (bytes[i])
			return rj_fail(err, -E2BIG,
				       "%s: byte %zu is set, this library "
				       "knows only %zu bytes",
				       what, i, known_size);
	memcpy((char *)known + sizeof(size), bytes + sizeof(size),
	       (size < known_size ? size : known_size) - sizeof(size));
	return 0;
}

int rj_params_load(const struct ramjet_params *given, struct ramjet_params *ret,
		   struct ramjet_error *err)
{
	struct ramjet_params params = { RAMJET_PARAMS_INIT };
	int rc;

	rc = rj_options_load("parameters", &params, sizeof(params), given, err);
	if (rc)
		return rc;
	if (params.channels > RAMJET_CHANNELS_MAX)
		return rj_fail(err, -EINVAL, "channels: %u, at most %u",
			       params.channels, RAMJET_CHANNELS_MAX);
	if (params.backend > RAMJET_BACKEND_SYSCALLS)
		return rj_fail(err, -EINVAL, "backend: unknown value %u",
			       params.backend);
	if (!params.downtime_limit_us)
		return rj_fail(err, -EINVAL,
			       "downtime limit: 0 us, at least 1");
	*ret = params;
	return 0;
}
