/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/guest/params.h"

#include <errno.h>
#include <stddef.h>

#include "util/error.h"
#include "util/options.h"

/* Of the struct as it was first published. */
#define FIRST_SIZE (offsetof(struct ramjet_params, log_user) + sizeof(void *))

/* 0 stands for the default, so that a caller may leave these members zero. */
static void fill_defaults(struct ramjet_params *params)
{
	static const struct ramjet_params defaults = { RAMJET_PARAMS_INIT };

	if (!params->throttle_initial_percent)
		params->throttle_initial_percent =
			defaults.throttle_initial_percent;
	if (!params->throttle_step_percent)
		params->throttle_step_percent = defaults.throttle_step_percent;
	if (!params->throttle_max_percent)
		params->throttle_max_percent = defaults.throttle_max_percent;
}

static int check_percent(const char *what, uint32_t percent,
			 struct ramjet_error *err)
{
	if (percent > 99)
		return rj_fail(err, -EINVAL,
			       "throttle: %s of %u %%, wanted 1 to 99", what,
			       percent);
	return 0;
}

static int check_policy(const struct ramjet_params *params,
			struct ramjet_error *err)
{
	int rc;

	if (params->on_no_convergence > RAMJET_NO_CONVERGENCE_FAIL)
		return rj_fail(err, -EINVAL,
			       "on_no_convergence: unknown value %u",
			       params->on_no_convergence);
	rc = check_percent("initial", params->throttle_initial_percent, err);
	if (!rc)
		rc = check_percent("step", params->throttle_step_percent, err);
	if (!rc)
		rc = check_percent("max", params->throttle_max_percent, err);
	return rc;
}

/* zstd's, as QEMU's monitor and zstd(1) together have them. */
#define LEVEL_LEAST (-7)
#define LEVEL_MOST  20

static int check_level(const char *what, int32_t level,
		       struct ramjet_error *err)
{
	if (level < LEVEL_LEAST || level > LEVEL_MOST)
		return rj_fail(err, -EINVAL, "%s: %d, wanted %d to %d", what,
			       level, LEVEL_LEAST, LEVEL_MOST);
	return 0;
}

/* By what means fewer bytes are to be sent. */
static int check_reduction(const struct ramjet_params *params,
			   struct ramjet_error *err)
{
	int rc;

	if (params->compression > RAMJET_COMPRESSION_ZSTD)
		return rj_fail(err, -EINVAL,
			       "compression: unknown value %u, wanted 0 "
			       "(auto), 1 (none) or 2 (zstd)",
			       params->compression);
	if (params->deltas > RAMJET_DELTAS_OFF)
		return rj_fail(err, -EINVAL,
			       "deltas: unknown value %u, wanted 0 (auto) or "
			       "1 (off)",
			       params->deltas);
	if (params->hot_pages > RAMJET_HOT_PAGES_IN_TURN)
		return rj_fail(err, -EINVAL,
			       "hot pages: unknown value %u, wanted 0 (last) "
			       "or 1 (in turn)",
			       params->hot_pages);
	if (params->compression_cpu_percent > 100)
		return rj_fail(err, -EINVAL,
			       "compression: %u %% of a worker's time, wanted "
			       "1 to 100, or 0: no limit",
			       params->compression_cpu_percent);
	rc = check_level("compression level", params->compression_level, err);
	return rc ? rc
		  : check_level("highest compression level",
				params->compression_level_max, err);
}

int rj_params_load(const struct ramjet_params *given, struct ramjet_params *ret,
		   struct ramjet_error *err)
{
	struct ramjet_params params = { RAMJET_PARAMS_INIT };
	int rc = 0;

	if (given)
		rc = rj_options_copy("parameters", &params, sizeof(params),
				     FIRST_SIZE, given, err);
	if (rc)
		return rc;
	if (params.channels > RAMJET_CHANNELS_MAX)
		return rj_fail(err, -EINVAL, "channels: %u, at most %u",
			       params.channels, RAMJET_CHANNELS_MAX);
	if (params.backend > RAMJET_BACKEND_SYSCALLS)
		return rj_fail(err, -EINVAL, "backend: unknown value %u",
			       params.backend);
	if (params.zero_copy > RAMJET_ZERO_COPY_OFF)
		return rj_fail(err, -EINVAL, "zero copy: unknown value %u",
			       params.zero_copy);
	if (params.numa > RAMJET_NUMA_OFF)
		return rj_fail(err, -EINVAL, "numa: unknown value %u",
			       params.numa);
	fill_defaults(&params);
	params.verify |= params.verify_all;
	rc = check_policy(&params, err);
	if (!rc)
		rc = check_reduction(&params, err);
	if (!rc)
		*ret = params;
	return rc;
}
