/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/offer.h"

#include <errno.h>
#include <stdio.h>

#include "engine/page/delta_cache.h"
#include "engine/page/known_kinds.h"
#include "util/error.h"

#define BIT(kind) (1u << RJ_RUN_##kind)
#define ZSTD      (BIT(ZSTD) | BIT(JOINED))
#define DELTAS    (BIT(DELTA) | BIT(SAME))
/* zstd's own default, which its 0 stands for. */
#define LEVEL_DEFAULT 3

int rj_offer_check(const struct ramjet_params *params, struct ramjet_error *err)
{
	if (params->compression != RAMJET_COMPRESSION_ZSTD ||
	    rj_kinds_known() & BIT(ZSTD))
		return 0;
	return rj_fail(err, -EOPNOTSUPP,
		       "compression: zstd is not part of this build, wanted "
		       "auto or none");
}

static bool wants_zstd(const struct ramjet_params *params)
{
	return params->compression != RAMJET_COMPRESSION_NONE;
}

static uint32_t wished(const struct ramjet_params *params)
{
	uint32_t kinds = rj_kinds_known() & (BIT(WORD) | DELTAS | ZSTD);

	if (params->deltas == RAMJET_DELTAS_OFF)
		kinds &= ~DELTAS;
	if (!wants_zstd(params))
		kinds &= ~ZSTD;
	return kinds;
}

int rj_offer_send(struct rj_source_session *session, const struct rj_env *env,
		  struct ramjet_error *err)
{
	const struct ramjet_params params = rj_env_params(env);
	const struct rj_frame frame = {
		.type = RJ_FRAME_OFFER,
		.flags = RJ_FLAG_OPTIONAL,
		.payload_bytes = RJ_KINDS_BYTES,
	};
	uint8_t body[RJ_KINDS_BYTES];

	session->offered = wished(&params);
	if (session->one_way)
		session->taken = session->offered;
	if (session->one_way || !session->offered)
		return 0;
	rj_kinds_encode(session->offered, body);
	return rj_link_send(&session->link, &frame, body,
			    rj_env_reply_deadline(env), err);
}

int rj_offer_answered(struct rj_source_session *session,
		      const struct rj_message *message,
		      struct ramjet_error *err)
{
	uint32_t kinds;
	int rc = rj_kinds_decode(RJ_FRAME_TAKES, message->payload,
				 message->frame.payload_bytes, &kinds, err);

	if (rc)
		return rc;
	if (!session->offered)
		return rj_fail(err, -EPROTO, "TAKES: nothing was offered");
	if (kinds & ~session->offered)
		return rj_fail(err, -EPROTO,
			       "TAKES: kinds of runs 0x%08x, wanted some of "
			       "those that were offered, 0x%08x",
			       kinds, session->offered);
	session->taken = kinds;
	return 0;
}

/* Compressing pays where a network is slower than memory. */
static bool goes_over_a_network(const struct rj_source_lanes *lanes)
{
	for (unsigned i = 0; i < lanes->channel_count; i++) {
		const struct rj_conn *conn = &lanes->senders[i].conn;

		if (conn->kind != RJ_CONN_TCP && conn->kind != RJ_CONN_VSOCK)
			return false;
	}
	return true;
}

/* Why there is no zstd; NULL: there is. */
static const char *why_none(const struct ramjet_params *params,
			    const struct rj_source_session *session,
			    const struct rj_source_lanes *lanes)
{
	if (!wants_zstd(params))
		return "as asked for";
	if (!(rj_kinds_known() & BIT(ZSTD)))
		return "zstd is not part of this build";
	if (params->compression == RAMJET_COMPRESSION_AUTO &&
	    !goes_over_a_network(lanes))
		return "the connection is neither TCP nor vsock";
	if ((session->taken & ZSTD) != ZSTD)
		return "the target does not take it";
	return NULL;
}

static int32_t level_of(int32_t level)
{
	return level ? level : LEVEL_DEFAULT;
}

static void settle_zstd(struct rj_reduction *reduction,
			const struct ramjet_params *params,
			const struct rj_env *env)
{
	char chosen[32], reason[96] = "as asked for";

	reduction->adaptive = params->compression == RAMJET_COMPRESSION_AUTO;
	reduction->level =
		level_of(reduction->adaptive ? params->compression_level_max
					     : params->compression_level);
	reduction->cpu_percent = params->compression_cpu_percent;
	if (reduction->adaptive) {
		(void)snprintf(chosen, sizeof(chosen), "auto: zstd");
		(void)snprintf(reason, sizeof(reason),
			       "levels up to %d, where they pay",
			       reduction->level);
	} else {
		(void)snprintf(chosen, sizeof(chosen), "zstd %d",
			       reduction->level);
	}
	rj_env_path_now(env, "compression", chosen, reason);
}

int rj_offer_settle(const struct rj_source_session *session,
		    struct rj_source_lanes *lanes, const struct rj_env *env,
		    struct ramjet_error *err)
{
	const struct ramjet_params params = rj_env_params(env);
	const char *why = why_none(&params, session, lanes);
	struct rj_reduction *reduction = &lanes->reduction;

	reduction->kinds = session->taken;
	if (!why) {
		settle_zstd(reduction, &params, env);
		return 0;
	}
	reduction->kinds &= ~ZSTD;
	reduction->level = RJ_LEVEL_OFF;
	if (params.strict && params.compression == RAMJET_COMPRESSION_ZSTD)
		return rj_fail(err, -EOPNOTSUPP,
			       "compression: zstd was asked for, and %s", why);
	rj_env_path_now(env, "compression", "none", why);
	return 0;
}

void rj_offer_record(const struct rj_source_lanes *lanes,
		     const struct rj_env *env)
{
	struct rj_reduced *reduced = &env->stats->reduced;
	struct rj_delta_cache_figures figures;

	if (!lanes->reduction.deltas)
		return;
	rj_delta_cache_figures(lanes->reduction.deltas, &figures);
	rj_lock(env->lock);
	reduced->cache_bytes = figures.bytes;
	reduced->cache_pages = figures.copies;
	reduced->cache_hits = figures.hits;
	reduced->cache_misses = figures.misses;
	reduced->cache_evictions = figures.evictions;
	rj_unlock(env->lock);
}
