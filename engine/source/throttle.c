/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/throttle.h"

#include "util/clock.h"

void rj_throttle_account(struct rj_throttle *throttle, const struct rj_env *env)
{
	const uint64_t now = rj_now_us();

	rj_lock(env->lock);
	env->stats->throttled_us +=
		(now - throttle->since_us) * throttle->percent / 100;
	rj_unlock(env->lock);
	throttle->since_us = now;
}

int rj_throttle_set(struct rj_throttle *throttle, uint32_t percent,
		    const struct rj_vmm *vmm, const struct rj_env *env,
		    struct ramjet_error *err)
{
	int rc;

	if (throttle->percent == percent)
		return 0;
	rj_throttle_account(throttle, env);
	/* Set before the call: a throttle that failed half-way must be lifted,
	 * too. */
	throttle->percent = percent;
	rc = rj_call_throttle(vmm, percent, err);
	if (rc)
		return rc;
	rj_log(env->log, RJ_LOG_INFO, "vCPUs throttled by %u %%", percent);
	return 0;
}

void rj_throttle_lift(struct rj_throttle *throttle, const struct rj_vmm *vmm,
		      const struct rj_env *env)
{
	struct ramjet_error err = { 0 };

	if (!throttle->percent)
		return;
	if (rj_throttle_set(throttle, 0, vmm, env, &err))
		rj_log(env->log, RJ_LOG_ERROR,
		       "the guest may stay throttled: %s", err.message);
	rj_lock(env->lock);
	env->stats->throttle_percent = 0;
	rj_unlock(env->lock);
}
