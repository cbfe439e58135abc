/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/wire/payload_sum.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/wire/wire.h"

struct rj_payload_sum {
	XXH3_state_t *state;
	unsigned count;
	struct iovec iov[RJ_RUNS_MAX];
};

struct rj_payload_sum *rj_payload_sum_new(void)
{
	struct rj_payload_sum *sum = calloc(1, sizeof(*sum));

	if (!sum)
		return NULL;
	sum->state = XXH3_createState();
	if (sum->state)
		return sum;
	free(sum);
	return NULL;
}

void rj_payload_sum_free(struct rj_payload_sum *sum)
{
	if (!sum)
		return;
	(void)XXH3_freeState(sum->state);
	free(sum);
}

void rj_payload_sum_begin(struct rj_payload_sum *sum)
{
	(void)XXH3_64bits_reset(sum->state);
	sum->count = 0;
}

void rj_payload_sum_note(struct rj_payload_sum *sum, const struct iovec *iov,
			 unsigned count)
{
	if (!sum)
		return;
	assert(count <= RJ_RUNS_MAX);
	memcpy(sum->iov, iov, count * sizeof(*iov));
	sum->count = count;
}

RJ_GUEST_MEMORY void rj_payload_sum_add(struct rj_payload_sum *sum)
{
	if (!sum)
		return;
	for (unsigned i = 0; i < sum->count; i++)
		(void)XXH3_64bits_update(sum->state, sum->iov[i].iov_base,
					 sum->iov[i].iov_len);
	sum->count = 0;
}

uint64_t rj_payload_sum_value(const struct rj_payload_sum *sum)
{
	return XXH3_64bits_digest(sum->state);
}
