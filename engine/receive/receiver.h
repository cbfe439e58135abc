/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_RECEIVE_RECEIVER_H
#define RJ_ENGINE_RECEIVE_RECEIVER_H
/*
 * A receive worker: thread and channel of its own. One scattered receive takes
 * a frame's pages straight into guest memory, and the next frame's header with
 * them.
 */
#include <pthread.h>
#include <stdbool.h>

#include "engine/link/link.h"
#include "engine/link/mailbox.h"
#include "engine/migration/env.h"
#include "engine/page/codec.h"
#include "engine/placement/numa.h"
#include "engine/receive/bounce.h"
#include "engine/receive/fences.h"
#include "engine/receive/populate_ahead.h"
#include "engine/receive/target_memory.h"
#include "engine/stats/counters.h"
#include "engine/wire/payload_sum.h"
#include "ringio/channel.h"
#include "ringio/endpoint.h"

/* Allocated by the worker, so that they lie where it runs. */
struct rj_receive_buffers {
	uint8_t header[RJ_HEADER_BYTES];
	uint8_t table[RJ_TABLE_BYTES_MAX];
	struct iovec iov[RJ_RUNS_MAX + 1];
	bool untouched[RJ_RUNS_MAX];
};

struct rj_receiver {
	/* immutable after rj_receiver_start() */
	struct rj_env env;
	struct rj_target_memory *memory;
	struct rj_fences *fences;
	struct rj_mailbox *inbox; /* control frames in band, or NULL */
	struct rj_link *link;     /* in band, both ways: to answer PING */
	struct rj_counters *counters;
	/* owned; closed by the thread that joins this one */
	struct rj_conn conn;
	const struct rj_cpus *cpus; /* where to run; NULL: anywhere */
	unsigned index;
	uint32_t backend;
	bool spare_cpu; /* for a thread beside it */
	bool one_way;   /* every frame has its sum, and the stream an end */
	pthread_t thread;
	bool started;

	/* owned by the worker */
	struct rj_channel *channel;
	uint64_t frame_offset; /* of the frame at hand, in the stream */
	uint64_t stream_base;  /* bytes read before the channel was made */
	uint32_t round;        /* of the pages that come now */
	bool final;            /* the final fence has passed */
	bool over;             /* in band: nothing more is to come */
	struct rj_receive_buffers *buffers;
	struct rj_page_codec codec;
	struct rj_payload_sum *sums; /* once a frame was CHECKED */
	struct rj_payload_sum *sum;  /* the same, if the one at hand is */
	struct rj_bounce bounce;
	struct rj_populate_ahead ahead;
	bool asked_ahead, asked_behind; /* for such a thread */

	/* In band, a failure is the control thread's to take, after all that
	 * came before it: `end` is written before `ended` (release). */
	struct ramjet_error end;
	_Atomic bool ended;
};

/* `r` is filled in up to `backend`, and stream_base. */
RJ_NODISCARD int rj_receiver_start(struct rj_receiver *r,
				   struct ramjet_error *err);
void rj_receiver_join(struct rj_receiver *r);
#endif
