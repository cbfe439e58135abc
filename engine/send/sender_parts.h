/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_SENDER_PARTS_H
#define RJ_ENGINE_SEND_SENDER_PARTS_H
/* What a send worker is made of; what it does is told in sender.h. */
#include <pthread.h>
#include <stdbool.h>

#include "dirty/source.h"
#include "engine/link/mailbox.h"
#include "engine/migration/env.h"
#include "engine/page/codec.h"
#include "engine/placement/numa.h"
#include "engine/send/claim_log.h"
#include "engine/send/deltas.h"
#include "engine/send/governor.h"
#include "engine/send/lane_level.h"
#include "engine/send/out_frame.h"
#include "engine/send/rounds.h"
#include "engine/send/send_path.h"
#include "engine/send/staging.h"
#include "engine/stats/counters.h"
#include "ringio/channel.h"
#include "ringio/endpoint.h"

struct rj_sender {
	/* immutable after rj_sender_start() */
	struct rj_env env;
	struct rj_rounds *rounds;
	struct rj_dirty_set *dirty;   /* to rearm, or NULL */
	struct rj_mailbox *outbox;    /* control frames in band, or NULL */
	struct rj_governor *governor; /* all workers' */
	_Atomic int *zero_copy;       /* likewise, enum rj_verdict */
	/* nothing comes back: see open_codec() */
	const _Atomic uint32_t *applied; /* rounds in the target's memory */
	const struct rj_reduction *reduction; /* all workers' */
	const struct rj_level_room *room;     /* likewise */
	bool one_way;
	/* A connection that breaks ends this worker alone: see `lost`. */
	bool may_be_lost;
	bool pinning_dirties; /* pinning a page counts as the guest writing it */
	struct rj_counters *counters;
	/* owned; closed by the thread that joins this one */
	struct rj_conn conn;
	const struct rj_cpus *cpus; /* where to run; NULL: anywhere */
	unsigned index;
	uint32_t backend;
	pthread_t thread;
	bool started;
	/* A connection that came back: rounds before `round` get their fences,
	 * from this one on, and no pages. */
	uint32_t first_fence;
	uint64_t earlier_bytes; /* of connections before this one */

	/* Whole frames that the target has in memory, as it says. Relaxed: what is
	 * seen late is remembered longer. */
	_Atomic uint64_t taken;
	_Atomic bool
		dismissed; /* the worker is to end; relaxed, as kicks come */
	/* The worker has ended, or will at once: its connection broke. Release,
	 * pairs with acquire in rj_sender_is_lost(). */
	_Atomic bool lost;

	/* owned by the worker */
	struct rj_channel *channel;
	struct rj_send_path path;
	/* freed by the thread that joins this one */
	struct rj_claim_log claims;
	struct ramjet_error err;
	struct rj_page_codec codec;
	struct rj_lane_level level;
	struct rj_out_frame *frames[RJ_CODEC_FRAMES];
	unsigned filling;           /* index of the frame being built */
	struct rj_staging *staging; /* NULL: all blocks are mapped here */
	struct rj_deltas *deltas;   /* NULL: no copies are kept */
	uint64_t rate;              /* the cap this channel's pace is for */
	uint32_t round;
	uint64_t frames_sent; /* of pages, given to the channel */
	bool concluded;       /* see end_path() */
};
#endif
