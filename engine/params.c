/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/params.h"

#include <errno.h>

#include "util/error.h"
#include "util/options.h"

int rj_params_load(const struct ramjet_params *given, struct ramjet_params *ret,
		   struct ramjet_error *err)
{
	struct ramjet_params params = { RAMJET_PARAMS_INIT };
	int rc = 0;

	if (given)
		rc = rj_options_copy("parameters", &params, sizeof(params),
				     sizeof(params), given, err);
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
			       "downtime limit: 0 us, wanted at least 1");
	*ret = params;
	return 0;
}
