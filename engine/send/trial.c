/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/trial.h"

#include <assert.h>

unsigned rj_trial_turn(const struct rj_trial *trial)
{
	assert(!rj_trial_is_over(trial));
	if (trial->frames < RJ_TRIAL_LEAD)
		return 0;
	return !((trial->frames - RJ_TRIAL_LEAD) / RJ_TRIAL_GROUP % 2);
}

static void end_group(struct rj_trial *trial, unsigned way)
{
	const uint64_t cost =
		(uint64_t)((double)trial->ns / (double)trial->bytes *
			   (double)(1u << 20));

	if (!trial->ns_per_mib[way] || cost < trial->ns_per_mib[way])
		trial->ns_per_mib[way] = cost;
	trial->ns = trial->bytes = 0;
}

void rj_trial_add(struct rj_trial *trial, uint64_t ns, uint64_t bytes)
{
	const unsigned way = rj_trial_turn(trial);
	unsigned place;

	if (trial->frames++ < RJ_TRIAL_LEAD)
		return;
	place = (trial->frames - 1 - RJ_TRIAL_LEAD) % RJ_TRIAL_GROUP;
	if (place < RJ_TRIAL_WARM_UP)
		return;
	trial->ns += ns;
	trial->bytes += bytes;
	if (place == RJ_TRIAL_GROUP - 1)
		end_group(trial, way);
}

bool rj_trial_won(const struct rj_trial *trial)
{
	assert(rj_trial_is_over(trial));
	return trial->ns_per_mib[1] < trial->ns_per_mib[0];
}
