/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_SEND_PATH_H
#define RJ_ENGINE_SEND_SEND_PATH_H
/*
 * How a worker's frames leave: gathered plain sends, or zero copy for the long
 * runs in them, chosen per frame.
 *
 * AUTO lets the first suitable frames compete (engine/send/trial.h), then keeps to
 * the faster way; where nothing is pinned it tries unregistered zero copy, and
 * drops it when the kernel keeps copying anyway, as it does on this host.
 *
 * Owned by the worker.
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "engine/send/out_frame.h"
#include "engine/send/pinning.h"
#include "engine/send/rounds.h"
#include "engine/send/trial.h"
#include "ramjet.h"
#include "ringio/channel.h"

/* What the trials said; the workers of a migration share it. */
enum rj_verdict {
	RJ_VERDICT_NONE = 0,
	RJ_VERDICT_PLAIN,
	RJ_VERDICT_ZERO_COPY,
};

struct rj_send_path_options {
	struct rj_channel *channel;
	struct rj_rounds *rounds;
	unsigned worker;
	_Atomic int *verdict; /* enum rj_verdict; borrowed */
	uint32_t wish;        /* enum ramjet_zero_copy */
	bool strict;
	/* Pinning a page would count as the guest's writing to it. */
	bool pinning_dirties;
};

struct rj_send_path {
	struct rj_channel *channel;
	struct rj_pinning pinning;
	_Atomic int *verdict;
	bool forced;  /* ON: no trial */
	bool decided; /* no trial any more */
	bool competes;
	bool strict;
	/* zero copy of these kinds is worth a try (still) */
	bool registered, unregistered;
	struct rj_trial trial; /* 0: plain, 1: zero copy */
	bool in_trial;         /* the frame in flight takes part */
	uint64_t began_ns;
	uint64_t frame_bytes;
	bool settled; /* chosen and reason say how it is */
	/* not reported yet; the worker reports it, and clears this */
	bool news;
	char chosen[32];
	char reason[160];
	int how[RJ_OUT_RUNS_MAX + 2]; /* of the frame in flight */
};

/* -EOPNOTSUPP, when ON is wished strictly and cannot be. */
RJ_NODISCARD int rj_send_path_init(struct rj_send_path *path,
				   const struct rj_send_path_options *options,
				   struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_send_path_done(struct rj_send_path *path);
/* Start sending a sealed frame; none is in flight. As rj_channel_send_start(),
 * or the kernel's refusal when strict: only then is err filled. */
RJ_NODISCARD int rj_send_path_start(struct rj_send_path *path,
				    struct rj_out_frame *frame,
				    struct ramjet_error *err);
/* The worker is about to wait for something other than the wire. */
void rj_send_path_rest(struct rj_send_path *path);
/* Write down what became of it, if that is still open. */
void rj_send_path_conclude(struct rj_send_path *path);
#endif
