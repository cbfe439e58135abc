/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/sender_open.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/send/sender_wire.h"
#include "util/error.h"

void rj_sender_report_zero_copy(struct rj_sender *s)
{
	if (!s->path.news)
		return;
	rj_env_path_now(&s->env, "zero copy", s->path.chosen, s->path.reason);
	s->path.news = false;
}

static int check_strict(struct rj_sender *s, struct ramjet_error *err)
{
	const struct ramjet_params params = rj_env_params(&s->env);

	if (!params.strict || params.backend == RAMJET_BACKEND_SYSCALLS ||
	    rj_channel_backend(s->channel) == RAMJET_BACKEND_URING)
		return 0;
	return rj_fail(err, -EOPNOTSUPP,
		       "strict: io_uring is not available: %s",
		       rj_channel_reason(s->channel));
}

static int open_path(struct rj_sender *s, struct ramjet_error *err)
{
	const struct ramjet_params params = rj_env_params(&s->env);
	const struct rj_send_path_options options = {
		.channel = s->channel,
		.rounds = s->rounds,
		.worker = s->index,
		.verdict = s->zero_copy,
		.wish = params.zero_copy,
		.strict = params.strict,
		.pinning_dirties = s->pinning_dirties,
	};
	const int rc = rj_send_path_init(&s->path, &options, err);

	rj_sender_report_zero_copy(s);
	return rc;
}

/* For blocks that are not mapped here, if there are any. */
static int open_staging(struct rj_sender *s, struct ramjet_error *err)
{
	bool wanted = false;

	for (unsigned i = 0; i < s->rounds->block_count; i++)
		wanted |= s->rounds->blocks[i].foreign != NULL;
	if (!wanted)
		return 0;
	s->staging = malloc(sizeof(*s->staging));
	if (!s->staging)
		return rj_fail(err, -ENOMEM, "out of memory");
	s->staging->deltas = s->deltas;
	return rj_page_codec_stage(&s->codec, err);
}

/* What looks closer at pages than the kernel does takes memory. */
static int open_reduction(struct rj_sender *s, struct ramjet_error *err)
{
	const struct rj_reduction *reduction = s->reduction;

	if (rj_reduction_allows(reduction, RJ_RUN_ZSTD) &&
	    reduction->level != RJ_LEVEL_OFF)
		return rj_page_codec_compress(&s->codec, reduction->level, err);
	if (!reduction || !reduction->deltas)
		return 0;
	/* Here, since it must not be missing later: what is sent raw for want of
	 * it is not the copy that is kept. */
	if (!rj_page_codec_coded(&s->codec, 0))
		return rj_fail(err, -ENOMEM, "out of memory");
	return rj_page_codec_own(&s->codec, err);
}

static int open_codec(struct rj_sender *s, struct ramjet_error *err)
{
	const struct rj_lane_level_options level = {
		.env = &s->env,
		.reduction = s->reduction,
		.room = s->room,
		.counters = s->counters,
		.lane = s->index,
	};
	int rc = rj_deltas_new(s->reduction, &s->env, &s->deltas, err);

	rj_page_codec_init(&s->codec, RJ_OUT_PAYLOAD_BYTES);
	s->codec.counters = s->counters;
	s->codec.reduction = s->reduction;
	s->codec.level = rj_lane_level_begin(&s->level, &level);
	for (unsigned i = 0; i < RJ_CODEC_FRAMES; i++) {
		s->frames[i] = malloc(sizeof(*s->frames[i]));
		if (!s->frames[i])
			return rj_fail(err, -ENOMEM, "out of memory");
		rj_out_frame_init(s->frames[i], &s->codec, i);
	}
	/* One way, a damaged page can't be asked for again: each frame carries
	 * a checksum of its payload. */
	if (!rc && s->one_way)
		rc = rj_page_codec_copy(&s->codec, err);
	if (!rc)
		rc = open_reduction(s, err);
	return rc ? rc : open_staging(s, err);
}

int rj_sender_open(struct rj_sender *s, struct ramjet_error *err)
{
	const struct rj_channel_options options = {
		.backend = s->backend,
		.wake_fd = s->env.wake_fd,
	};
	int rc = rj_channel_new(&s->conn, &options, &s->channel, err);

	if (!rc && s->may_be_lost)
		rc = rj_claim_log_init(&s->claims, s->rounds->blocks,
				       s->rounds->block_count, err);
	if (rc)
		return rc;
	rj_env_backend(&s->env, rj_channel_backend(s->channel),
		       rj_channel_reason(s->channel));
	rc = open_codec(s, err);
	if (!rc)
		rc = check_strict(s, err);
	if (!rc)
		rc = open_path(s, err);
	/* Before the first frame: its size depends on the cap. */
	return rc ? rc : rj_sender_apply_rate(s);
}
