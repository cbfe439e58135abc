/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/pause_limit.h"

#include <errno.h>

#include "engine/guest/params.h"
#include "engine/source/outgoing.h"
#include "util/clock.h"
#include "util/error.h"

/* All figures: decision 025. Unless told: so many limits, but not less than
 * this. */
#define LIMITS   10u
#define LEAST_US UINT64_C(5000000)
/* Where it is known to be long: so many times what is predicted. */
#define PREDICTED 2u
/* A target may hash this much slower than we have predicted for ourselves. */
#define DIGESTS_FACTOR 4u

static uint64_t max_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t times(uint64_t value, unsigned factor)
{
	return value < UINT64_MAX / factor ? value * factor : UINT64_MAX;
}

uint64_t rj_pause_limit_us(const struct ramjet_params *params,
			   uint64_t predicted_us)
{
	const uint64_t limits_us =
		times(rj_params_downtime_limit_us(params), LIMITS);

	if (!params->switchover_timeout_us)
		return UINT64_MAX;
	if (params->switchover_timeout_us != RAMJET_SWITCHOVER_TIMEOUT_AUTO)
		return params->switchover_timeout_us;
	return max_of(max_of(limits_us, LEAST_US),
		      times(predicted_us, PREDICTED));
}

/* For ever: UINT64_MAX. */
static uint64_t until_us(const struct rj_handover *handover,
			 const struct rj_env *env, uint64_t *ret_limit)
{
	const struct ramjet_params params = rj_env_params(env);
	const uint64_t began_us =
		handover->pause_began_us + handover->hashed_us;
	const uint64_t limit_us = *ret_limit =
		rj_pause_limit_us(&params, handover->expected_us);
	const uint64_t digests_us = params.verify
					    ? times(max_of(handover->digests_us,
							   handover->hashed_us),
						    DIGESTS_FACTOR)
					    : 0;

	if (limit_us > UINT64_MAX / 4 || digests_us > UINT64_MAX / 4)
		return UINT64_MAX;
	return began_us + limit_us + digests_us;
}

int rj_pause_check(const struct rj_handover *handover, const struct rj_env *env,
		   const char *what, struct ramjet_error *err)
{
	uint64_t limit_us;

	if (rj_now_us() < until_us(handover, env, &limit_us))
		return 0;
	return rj_fail(err, -ETIMEDOUT,
		       "switchover: the guest stood still for %.0f ms, the "
		       "most allowed is %.0f (switchover timeout), and there "
		       "was no %s yet",
		       (double)(rj_now_us() - handover->pause_began_us) /
			       1000.0,
		       (double)limit_us / 1000.0, what);
}

uint64_t rj_pause_deadline_ns(const struct rj_handover *handover,
			      const struct rj_env *env)
{
	const uint64_t reply_ns = rj_env_reply_deadline(env);
	uint64_t limit_us;
	const uint64_t pause_us = until_us(handover, env, &limit_us);

	if (pause_us > UINT64_MAX / 1000)
		return reply_ns;
	return reply_ns && reply_ns < pause_us * 1000 ? reply_ns
						      : pause_us * 1000;
}
