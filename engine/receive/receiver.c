/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/receive/receiver.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/guest/backing.h"
#include "engine/guest/sigbus.h"
#include "engine/link/event.h"
#include "engine/link/lane.h"
#include "engine/page/coding.h"
#include "ringio/wait.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/thread.h"

/* Nothing is said for so long: it is taken for the end. Chosen: nobody writes
 * to a stream after its end but by mistake, and the guest stands still. */
#define END_NS (UINT64_C(1000000000))

static uint64_t stream_offset(const struct rj_receiver *r)
{
	return r->stream_base + rj_channel_bytes(r->channel);
}

static void publish(struct rj_receiver *r)
{
	struct rj_counters *c = r->counters;

	atomic_store_explicit(&c->wire_bytes,
			      r->bytes_before + stream_offset(r),
			      memory_order_relaxed);
	atomic_store_explicit(
		&c->cpu_us,
		r->cpu_us_before + rj_thread_cpu_us() +
			rj_side_thread_cpu_us(&r->ahead.side) +
			rj_side_thread_cpu_us(&r->bounce.behind.side),
		memory_order_relaxed);
}

/* What the channel returned: does that end the connection, and nothing else? */
static int note_end(struct rj_receiver *r, int rc)
{
	r->broke = rj_lane_is_loss(rc);
	return rc;
}

static int receive(struct rj_receiver *r, void *into, size_t bytes)
{
	struct iovec iov = { into, bytes };

	return bytes ? note_end(r, rj_channel_recv(r->channel, &iov, 1)) : 0;
}

static int next_header(struct rj_receiver *r)
{
	r->frame_offset = stream_offset(r);
	return receive(r, r->buffers->header, sizeof(r->buffers->header));
}

/* True once, at the first call, if there is a spare CPU for a thread beside
 * this worker. */
static bool wants_thread(const struct rj_receiver *r, bool *asked)
{
	const bool first = !*asked;

	*asked = true;
	return first && r->spare_cpu;
}

/* The thread could not be started: go on without it. */
static void miss_thread(const struct rj_receiver *r, int rc)
{
	if (rc)
		rj_log(r->env.log, RJ_LOG_WARNING,
		       "receive worker %u: no thread beside it: %s", r->index,
		       strerror(-rc));
}

static int take_by_file(struct rj_receiver *r, struct rj_first_touch *touch,
			const struct rj_scatter *scatter, struct iovec next,
			struct ramjet_error *err)
{
	int rc;

	if (wants_thread(r, &r->asked_behind))
		miss_thread(r, rj_bounce_write_behind(&r->bounce, r->index));
	rc = rj_bounce_receive(&r->bounce, r->channel, touch, scatter, next,
			       r->sum, err);
	/* The file's errors have words. */
	return err->code ? rc : note_end(r, rc);
}

static void populate_ahead(struct rj_receiver *r,
			   const struct rj_scatter *scatter)
{
	if (wants_thread(r, &r->asked_ahead) && !rj_populate_ahead_refusal())
		miss_thread(r, rj_populate_ahead_start(&r->ahead, r->index));
	rj_populate_ahead_offer(&r->ahead, scatter->iov, scatter->untouched,
				scatter->count);
}

/* -EFAULT: the kernel could not write to the pages' place. Find out which and
 * why. */
static int blame(const struct rj_receiver *r, unsigned block,
		 const struct rj_scatter *scatter, struct ramjet_error *err)
{
	return err->code ? err->code
			 : rj_backing_blame(&r->memory->blocks[block],
					    scatter->iov, scatter->count, err);
}

static int take_payload(struct rj_receiver *r, unsigned block,
			const struct rj_scatter *scatter,
			struct ramjet_error *err)
{
	const struct iovec next = { r->buffers->header,
				    sizeof(r->buffers->header) };
	struct rj_first_touch *touch = &r->memory->first_touch[block];
	int rc;

	if (scatter->untouched_count && rj_first_touch_enter(touch)) {
		rc = take_by_file(r, touch, scatter, next, err);
		rj_first_touch_leave(touch);
		return rc == -EFAULT ? blame(r, block, scatter, err) : rc;
	}
	if (scatter->untouched_count && touch->small_pages)
		populate_ahead(r, scatter);
	rj_payload_sum_note(r->sum, r->buffers->iov, scatter->count);
	r->buffers->iov[scatter->count] = next;
	rc = note_end(r, rj_channel_recv(r->channel, r->buffers->iov,
					 scatter->count + 1));
	if (!rc)
		rc = rj_target_memory_sum(&r->memory->blocks[block], r->sum,
					  err);
	return rc == -EFAULT ? blame(r, block, scatter, err) : rc;
}

/* The payload's checksum must be the one in the header. */
static int check_sum(const struct rj_receiver *r, const struct rj_frame *frame,
		     struct ramjet_error *err)
{
	const uint64_t sum = r->sum ? rj_payload_sum_value(r->sum) : 0;

	if (!r->sum || sum == frame->payload_sum)
		return 0;
	return rj_fail(err, -EBADMSG,
		       "PAGES frame: payload's sum 0x%016llx, computed "
		       "0x%016llx: the stream is damaged",
		       (unsigned long long)frame->payload_sum,
		       (unsigned long long)sum);
}

/* The source decides whether frames carry a checksum; one way they must. */
static int expect_sum(struct rj_receiver *r, const struct rj_frame *frame,
		      struct ramjet_error *err)
{
	const bool checked = frame->flags & RJ_FLAG_CHECKED;

	if (!checked && r->one_way)
		return rj_fail(err, -EPROTO,
			       "PAGES frame without a sum of its payload, "
			       "wanted one in a stream that goes one way");
	r->sum = NULL;
	if (!checked)
		return 0;
	if (!r->sums)
		r->sums = rj_payload_sum_new();
	if (!r->sums)
		return rj_fail(err, -ENOMEM, "out of memory");
	r->sum = r->sums;
	rj_payload_sum_begin(r->sum);
	return 0;
}

/* Is there memory for the pages? What lies in another process is that one's to
 * have. */
static int have_memory(struct rj_receiver *r, unsigned block,
		       const struct rj_scatter *scatter,
		       struct ramjet_error *err)
{
	return r->memory->blocks[block].foreign
		       ? 0
		       : rj_headroom_take(&r->memory->headroom,
					  &r->memory->blocks[block],
					  scatter->iov, scatter->count, err);
}

struct placing {
	struct rj_receiver *r;
	const struct rj_frame *frame;
	struct rj_scatter *scatter;
};

static int place_table(void *user, struct ramjet_error *err)
{
	const struct placing *p = user;

	return rj_target_memory_place(p->r->memory, &p->r->codec, p->frame,
				      p->r->buffers->table, p->scatter, err);
}

static int place_payload(void *user, struct ramjet_error *err)
{
	const struct placing *p = user;

	return rj_page_place(&p->r->codec, err);
}

/* Both write pages where they lie. */
static int place(struct placing *p, rj_sigbus_fn *what,
		 struct ramjet_error *err)
{
	const struct rj_target_memory *memory = p->r->memory;

	/* Which block it is was not judged yet. */
	if (p->frame->block >= memory->block_count)
		return what(p, err);
	return rj_sigbus_run(&memory->blocks[p->frame->block], what, p, err);
}

/* Take the pages, and the next header with the same receive. */
static int take_pages(struct rj_receiver *r, const struct rj_frame *frame,
		      struct ramjet_error *err)
{
	struct rj_scatter scatter = { .iov = r->buffers->iov,
				      .untouched = r->buffers->untouched };
	struct placing placing = { r, frame, &scatter };
	struct rj_counters *c = r->counters;
	const uint64_t here = r->frame_offset;
	int rc;

	if (frame->round != r->round)
		return rj_fail(err, -EPROTO,
			       "PAGES frame of round %u, wanted round %u",
			       frame->round, r->round);
	rc = expect_sum(r, frame, err);
	if (rc)
		return rc;
	rc = receive(r, r->buffers->table,
		     (size_t)frame->run_count * RJ_RUN_BYTES);
	if (!rc)
		rc = rj_frame_verify(r->buffers->header, frame,
				     r->buffers->table, NULL, err);
	if (!rc)
		rc = place(&placing, place_table, err);
	if (rc)
		return rc;
	rc = have_memory(r, frame->block, &scatter, err);
	if (rc)
		return rc;
	r->frame_offset = stream_offset(r) + frame->payload_bytes;
	rc = take_payload(r, frame->block, &scatter, err);
	if (rc)
		return rc;
	rc = check_sum(r, frame, err);
	if (!rc)
		rc = place(&placing, place_payload, err);
	if (rc) {
		r->frame_offset = here;
		return rc;
	}
	rj_count(&r->frames, 1);
	rj_count(&c->payload_bytes, frame->payload_bytes);
	rj_run_rows_count_in(c, r->memory->blocks[frame->block].index,
			     scatter.pages);
	publish(r);
	return 0;
}

static int pass_fence(struct rj_receiver *r, const struct rj_frame *frame,
		      struct ramjet_error *err)
{
	int rc = rj_frame_verify(r->buffers->header, frame, NULL, NULL, err);

	publish(r);
	/* All pages before the fence must be written before it counts as
	 * delivered. */
	if (!rc)
		rc = rj_bounce_flush(&r->bounce, err);
	if (!rc)
		rc = rj_fences_arrive(r->fences, r->index, frame->round,
				      frame->flags & RJ_FLAG_FINAL, &r->final,
				      err);
	if (rc)
		return rc;
	r->round++;
	if (r->final && !r->inbox)
		return 0;
	return next_header(r);
}

/* Read and forget table and payload of an optional frame we do not know. */
static int skip_frame(struct rj_receiver *r, const struct rj_frame *frame)
{
	size_t left = frame->run_count * RJ_RUN_BYTES + frame->payload_bytes;
	int rc = 0;

	while (!rc && left) {
		const size_t piece = left < sizeof(r->buffers->table)
					     ? left
					     : sizeof(r->buffers->table);

		rc = receive(r, r->buffers->table, piece);
		left -= piece;
	}
	return rc ? rc : next_header(r);
}

/*
 * One way, the stream must end after COMMIT. A pipe may stay open because
 * another process still holds it: END_NS without a byte counts as the end. A
 * command gets the reply timeout, and its end is waited for afterwards. A block
 * device has no end: what follows is not looked at.
 */
static int expect_end(struct rj_receiver *r, struct ramjet_error *err)
{
	const uint64_t deadline_ns = r->conn.command
					     ? rj_env_reply_deadline(&r->env)
					     : rj_now_ns() + END_NS;
	struct stat st;
	uint8_t junk;
	int rc;

	if (!fstat(r->conn.fd, &st) && S_ISBLK(st.st_mode))
		return 0;
	rc = rj_conn_wait(&r->conn, POLLIN, deadline_ns, r->env.wake_fd);
	if (rc == -ETIMEDOUT) {
		rj_log(r->env.log, RJ_LOG_WARNING,
		       "channel %u: another process holds the stream open after its "
		       "end",
		       r->index);
		return 0;
	}
	r->frame_offset = stream_offset(r);
	if (!rc)
		rc = receive(r, &junk, 1);
	if (rc == -ENODATA)
		return 0;
	return rc ? rc
		  : rj_fail(err, -EPROTO,
			    "bytes after COMMIT, wanted the end of the stream");
}

/* In band: hand a control frame to the control thread. */
static int take_control(struct rj_receiver *r, const struct rj_frame *frame,
			struct ramjet_error *err)
{
	struct rj_message message = {
		.frame = *frame,
		.offset = r->frame_offset,
	};
	int rc = 0;

	if (frame->type == RJ_FRAME_COMMIT && !r->final)
		return rj_fail(err, -EPROTO,
			       "COMMIT comes before the final fence");
	if (frame->payload_bytes) {
		message.payload = malloc(frame->payload_bytes);
		if (!message.payload)
			return rj_fail(err, -ENOMEM, "out of memory");
		rc = receive(r, message.payload, frame->payload_bytes);
	}
	if (!rc)
		rc = rj_frame_verify(r->buffers->header, frame, NULL,
				     message.payload, err);
	if (rc) {
		rj_message_done(&message);
		return rc;
	}
	/* For the heartbeat: the source has said something. */
	publish(r);
	if (frame->type == RJ_FRAME_PING && r->link) {
		rc = rj_link_answer(r->link, &message, r->env.wake_fd, err);
		rj_message_done(&message);
		return rc ? rc : next_header(r);
	}
	r->over = frame->type == RJ_FRAME_COMMIT ||
		  frame->type == RJ_FRAME_CANCEL ||
		  frame->type == RJ_FRAME_FAILED;
	if (r->one_way && frame->type == RJ_FRAME_COMMIT) {
		rc = expect_end(r, err);
		if (rc) {
			rj_message_done(&message);
			return rc;
		}
	}
	rc = rj_mailbox_put(r->inbox, &message, err);
	if (rc || r->over)
		return rc;
	return next_header(r);
}

static int take_frame(struct rj_receiver *r, struct ramjet_error *err)
{
	struct rj_frame frame;
	int rc = rj_frame_decode(r->buffers->header, &frame, err);

	if (rc)
		return rc;
	if (frame.type == RJ_FRAME_PAGES && !r->final)
		return take_pages(r, &frame, err);
	if (frame.type == RJ_FRAME_FENCE && !r->final)
		return pass_fence(r, &frame, err);
	if (!strcmp(rj_frame_type_name(frame.type), "unknown"))
		return skip_frame(r, &frame);
	if (!r->inbox || frame.type == RJ_FRAME_PAGES ||
	    frame.type == RJ_FRAME_FENCE)
		return rj_fail(err, -EPROTO, "a %s frame has no place here",
			       rj_frame_type_name(frame.type));
	return take_control(r, &frame, err);
}

/* A source that never falls silent must not keep a worker that is to end. */
static bool is_stopped(struct rj_receiver *r)
{
	return atomic_load_explicit(&r->stopping, memory_order_relaxed);
}

static int run_channel(struct rj_receiver *r, struct ramjet_error *err)
{
	int rc = next_header(r);

	/* The header of what follows comes with each page. */
	if (!rc)
		publish(r);
	while (!rc && !r->over && (!r->final || r->inbox))
		rc = is_stopped(r) ? -ECANCELED : take_frame(r, err);
	return rc;
}

static int open_channel(struct rj_receiver *r, struct ramjet_error *err)
{
	const struct rj_channel_options options = {
		.backend = r->backend,
		.wake_fd = r->wake_fd,
	};
	int rc;

	rj_page_codec_init(&r->codec, 0);
	r->codec.counters = r->counters;
	/* valgrind does not see what io_uring receives. */
	r->buffers = calloc(1, sizeof(*r->buffers));
	if (!r->buffers)
		return rj_fail(err, -ENOMEM, "out of memory");
	rc = rj_channel_new(&r->conn, &options, &r->channel, err);
	if (rc)
		return rc;
	rj_env_backend(&r->env, rj_channel_backend(r->channel),
		       rj_channel_reason(r->channel));
	return 0;
}

static void describe_failure(struct rj_receiver *r, int rc,
			     struct ramjet_error *err)
{
	if (rc == -ENODATA)
		(void)rj_fail(err, rc, "the source closed the connection");
	else if (rc == -EPIPE)
		(void)rj_fail(err, rc,
			      "the connection ended in the middle of a frame");
	else
		(void)rj_fail_errno(err, rc, "receiving");
	rj_error_prefix(err, "channel %u, offset %llu", r->index,
			(unsigned long long)r->frame_offset);
	err->code = rc;
}

/* Did it end for its connection's sake alone, which may happen? */
static bool is_lost(struct rj_receiver *r, int rc)
{
	if (!r->may_be_lost)
		return false;
	return rc == -ECANCELED ? is_stopped(r) : r->broke;
}

/* In band, leave the failure to the control thread: it handles all messages
 * that were read before first, and what is wrong in one of them may be why the
 * stream ends here. A lane that is lost is its to judge, too. */
static void give_up(struct rj_receiver *r, const struct ramjet_error *err)
{
	if (!is_lost(r, err->code) && (!r->inbox || err->code == -ECANCELED)) {
		rj_env_fail(&r->env, err);
		return;
	}
	r->end = *err;
	/* pairs with the acquire in rj_target_look(), and in
	 * rj_lost_lanes_look() */
	atomic_store_explicit(&r->ended, true, memory_order_release);
	rj_event_signal(r->env.event_fd);
}

/* All that was received whole must be in memory before a lane counts as lost. */
static int flush_lost(struct rj_receiver *r, int rc, struct ramjet_error *err)
{
	struct ramjet_error why = { 0 };

	if (!rc || !is_lost(r, rc) || !rj_bounce_flush(&r->bounce, &why))
		return rc;
	*err = why;
	r->broke = false;
	return why.code;
}

void *rj_receiver_run(void *arg)
{
	struct rj_receiver *r = arg;
	struct ramjet_error err = { 0 };
	int rc = rj_numa_settle(&r->env, r->cpus, &err);

	if (!rc)
		rc = open_channel(r, &err);
	if (!rc)
		rj_lane_move(&r->counters->state, RJ_LANE_OPEN);
	if (!rc)
		rc = run_channel(r, &err);
	rc = flush_lost(r, rc, &err);
	rj_populate_ahead_stop(&r->ahead);
	if (r->channel)
		publish(r);
	if (!rc)
		rj_lane_move(&r->counters->state, RJ_LANE_DRAINING);
	rj_lane_move(&r->counters->state, rc ? RJ_LANE_LOST : RJ_LANE_CLOSED);
	rj_channel_free(r->channel);
	rj_bounce_done(&r->bounce);
	rj_page_codec_done(&r->codec);
	rj_payload_sum_free(r->sums);
	free(r->buffers);
	if (rc) {
		describe_failure(r, rc, &err);
		give_up(r, &err);
	}
	return NULL;
}
