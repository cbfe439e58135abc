/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that writes faster than the wire takes it is slowed down. */
#include "engine/migration/callback.h"
#include "engine/source/outgoing.h"
#include "util/clock.h"

void rj_source_account_throttle(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	const uint64_t now = rj_now_us();

	rj_lock(&m->lock);
	m->stats.throttled_us += (now - out->handover.throttled_since_us) *
				 out->handover.throttle_set / 100;
	rj_unlock(&m->lock);
	out->handover.throttled_since_us = now;
}

int rj_source_throttle(struct ramjet_migration *m, uint32_t percent,
		       struct ramjet_error *err)
{
	int rc;

	if (m->out->handover.throttle_set == percent)
		return 0;
	rj_source_account_throttle(m);
	/* Set before the call: a throttle that failed half-way must be lifted,
	 * too. */
	m->out->handover.throttle_set = percent;
	rc = rj_call_throttle(&m->out->vmm, percent, err);
	if (rc)
		return rc;
	rj_log(&m->log, RJ_LOG_INFO, "vCPUs throttled by %u %%", percent);
	return 0;
}

void rj_source_lift_throttle(struct ramjet_migration *m)
{
	struct ramjet_error err = { 0 };

	if (!m->out->handover.throttle_set)
		return;
	if (rj_source_throttle(m, 0, &err))
		rj_log(&m->log, RJ_LOG_ERROR,
		       "the guest may stay throttled: %s", err.message);
	rj_lock(&m->lock);
	m->stats.throttle_percent = 0;
	rj_unlock(&m->lock);
}
