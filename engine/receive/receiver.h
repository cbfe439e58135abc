/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_RECEIVE_RECEIVER_H
#define RJ_ENGINE_RECEIVE_RECEIVER_H
/*
 * A receive worker: thread and channel of its own. One scattered receive takes
 * a frame's pages straight into guest memory, and the next frame's header with
 * them.
 *
 * Where lanes may be lost, a connection that fails is no failure of the
 * migration's: the worker ends, and says so. What it had received whole is in
 * memory then. Its connection may be replaced by another one.
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
	bool spare_cpu;   /* for a thread beside it */
	bool one_way;     /* every frame has its sum, and the stream an end */
	bool may_be_lost; /* its connection */
	/* Where that is not a bare one: always readable, to stop this worker
	 * alone. Borrowed; -1: none. */
	int stop_fd;
	uint32_t first_round; /* whose fence comes first */
	/* Counted by workers that this channel had before. */
	uint64_t bytes_before, cpu_us_before;
	pthread_t thread;
	bool started;
	int wake_fd; /* ends waits: env.wake_fd, or an epoll with both */

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

	/* PAGES frames that are in memory. Relaxed: what is told of it says
	 * nothing of other memory. */
	_Atomic uint64_t frames;
	/* This worker alone shall end: pairs with nothing, it is a hint between
	 * two frames. What ends a wait is wake_fd. */
	_Atomic bool stopping;
	bool broke; /* the latest error came from the connection */

	/* In band, a failure is the control thread's to take, after all that
	 * came before it; so it is where the connection may be lost. `end` is
	 * written before `ended` (release). */
	struct ramjet_error end;
	_Atomic bool ended;
};

/* The worker's thread; see below. */
void *rj_receiver_run(void *receiver);
/* `r` is filled in up to `first_round`, and stream_base. */
RJ_NODISCARD int rj_receiver_start(struct rj_receiver *r,
				   struct ramjet_error *err);
/* Of one whose connection may be lost: it ends soon, unless it waits at a fence
 * (rj_fences_leave() is for that), as if the connection had failed. */
void rj_receiver_stop(struct rj_receiver *r);
void rj_receiver_join(struct rj_receiver *r);
/* Joined, its connection closed, and that was lost: it begins anew with `conn`,
 * from which stream_base bytes were read, in `round`. */
RJ_NODISCARD int rj_receiver_renew(struct rj_receiver *r,
				   const struct rj_conn *conn, uint32_t round,
				   struct ramjet_error *err);
#endif
