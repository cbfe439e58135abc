/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/guest/backing.h"
#include "engine/guest/sigbus.h"
#include "engine/link/event.h"
#include "engine/link/lane.h"
#include "engine/page/cut.h"
#include "engine/send/sender_open.h"
#include "engine/send/sender_wire.h"
#include "ringio/iov.h"
#include "util/bits.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/thread.h"

static struct rj_out_frame *filling(struct rj_sender *s)
{
	return s->frames[s->filling];
}

static void set_state(struct rj_sender *s, enum rj_lane_state state)
{
	rj_lane_move(&s->counters->state, state);
}

static void look_at_level(struct rj_sender *s)
{
	if (s->level.adaptive)
		s->codec.level =
			rj_lane_level_look(&s->level, rj_sender_left_bytes(s),
					   rj_rounds_active(s->rounds));
}

/* Hand the frame being built to the kernel, once the one before is through. */
static int launch(struct rj_sender *s)
{
	struct rj_out_frame *frame = filling(s);
	struct rj_iov rest = rj_iov_of(frame->iov, frame->iov_count);
	const uint64_t bytes = rest.bytes;
	struct rj_counters *c = s->counters;
	int rc;

	s->frames_sent += frame->run_count > 0;
	rj_lane_level_wait(&s->level);
	rc = rj_sender_slices(s, &rest);
	if (!rc)
		rc = rest.bytes < bytes
			     ? rj_sender_start_rest(s, &rest)
			     : rj_send_path_start(&s->path, frame, &s->err);
	rj_lane_level_waited(&s->level);
	rj_sender_report_zero_copy(s);
	if (rc)
		return rc;
	rj_count(&c->payload_bytes, frame->payload_bytes);
	rj_run_rows_count_in(c, frame->block, frame->pages);
	rj_sender_publish(s);
	s->filling = !s->filling;
	rj_out_frame_reset(filling(s));
	look_at_level(s);
	return 0;
}

static int seal_frame(void *user, struct ramjet_error *err)
{
	struct rj_sender *s = user;

	(void)err;
	rj_out_frame_seal(filling(s), s->round);
	return 0;
}

/* One way, it copies its pages. */
static int seal(struct rj_sender *s)
{
	return rj_sigbus_run(&s->rounds->blocks[filling(s)->block], seal_frame,
			     s, &s->err);
}

static int flush(struct rj_sender *s)
{
	struct rj_sigbus_guard *guard;
	int rc;

	if (rj_out_frame_is_empty(filling(s)))
		return 0;
	rc = seal(s);
	if (rc)
		return rc;
	/* It waits, and may call the VMM. */
	guard = rj_sigbus_lift();
	rc = launch(s);
	rj_sigbus_lower(guard);
	return rc;
}

static int add_pages(struct rj_sender *s, unsigned block, uint64_t page,
		     uint32_t count, enum rj_run_kind kind)
{
	const uint8_t *host = s->rounds->blocks[block].host;
	int rc;

	while (count) {
		const uint32_t added = rj_deltas_add(
			s->deltas, filling(s), block,
			host + page * RAMJET_PAGE_BYTES, page, count, kind);

		page += added;
		count -= added;
		if (!count)
			break;
		rc = flush(s);
		if (rc)
			return rc;
		/* The level may be another with each frame. */
		if (kind == RJ_RUN_ZSTD && s->codec.level == RJ_LEVEL_OFF)
			kind = RJ_RUN_RAW;
	}
	return 0;
}

/* Cut a run of dirty pages into those of a kind each. */
static int add_run(struct rj_sender *s, unsigned block, uint64_t page,
		   uint64_t count)
{
	const uint8_t *host = s->rounds->blocks[block].host;
	const uint64_t end = page + count;
	int rc = 0;

	while (!rc && page < end) {
		enum rj_run_kind kind;
		const uint32_t pages =
			rj_page_cut(&s->codec, host, page, end, &kind);

		rc = add_pages(s, block, page, pages, kind);
		page += pages;
	}
	return rc;
}

struct mapped {
	struct rj_sender *s;
	const struct rj_claim *claim;
};

/* The claim's pages, from where they lie. Those of a sample end where it does. */
static int send_mapped(void *user, struct ramjet_error *err)
{
	const struct mapped *mapped = user;
	struct rj_sender *s = mapped->s;
	const struct rj_claim *claim = mapped->claim;
	uint32_t sample = rj_lane_level_sample_pages(&s->level);
	struct rj_run run = { 0 };
	uint64_t from = 0;
	int rc = 0;

	(void)err;
	while (!rc) {
		run = rj_words_next_run(claim->words, RJ_CHUNK_PAGES, from);
		if (!run.count)
			break;
		if (sample && run.count > sample)
			run.count = sample;
		from = run.first + run.count;
		rc = add_run(s, claim->block, claim->first_page + run.first,
			     run.count);
		if (!sample)
			continue;
		sample -= (uint32_t)run.count;
		if (!sample)
			look_at_level(s);
	}
	return rc;
}

/* Likewise, of a block that is not mapped here. */
static int send_staged(struct rj_sender *s, const struct rj_block *block,
		       const struct rj_claim *claim, struct ramjet_error *err)
{
	uint64_t from = 0;
	int rc;

	while ((rc = rj_staging_add(s->staging, filling(s), block, claim, &from,
				    err)) > 0) {
		rc = flush(s);
		if (rc)
			break;
	}
	return rc;
}

static void log_claim(struct rj_sender *s, const struct rj_claim *claim)
{
	if (s->may_be_lost)
		rj_claim_log_add(
			&s->claims, claim->block,
			claim->first_page / RJ_CHUNK_PAGES, claim->words,
			s->round,
			atomic_load_explicit(&s->taken, memory_order_relaxed),
			atomic_load_explicit(s->applied, memory_order_relaxed));
}

static int send_claim(struct rj_sender *s, const struct rj_claim *claim,
		      struct ramjet_error *err)
{
	const struct rj_block *block = &s->rounds->blocks[claim->block];
	const uint64_t began_ns = rj_now_ns();
	struct mapped mapped = { s, claim };
	int rc;

	rj_count(&s->counters->claimed_pages, claim->pages);
	log_claim(s, claim);
	rc = rj_backing_check(block, 0, block->page_count, err);
	if (!rc && s->dirty)
		rc = rj_dirty_set_rearm(s->dirty, claim->block,
					claim->first_page, claim->words,
					RJ_CHUNK_WORDS, err);
	rj_rounds_armed(s->rounds, s->index);
	if (!rc)
		rc = rj_unlikely(block->foreign != NULL)
			     ? send_staged(s, block, claim, err)
			     : rj_sigbus_run(block, send_mapped, &mapped, err);
	if (!rc && s->may_be_lost)
		rj_claim_log_end(&s->claims,
				 s->frames_sent +
					 !rj_out_frame_is_empty(filling(s)));
	rj_deltas_note(s->deltas, rj_now_ns() - began_ns,
		       rj_channel_bytes(s->channel));
	/* The kernel goes on with the last frame while we scan. */
	(void)rj_channel_send_pending(s->channel);
	return rc;
}

static int send_message(struct rj_sender *s, const struct rj_message *mail)
{
	uint8_t header[RJ_HEADER_BYTES];
	struct iovec iov[2] = {
		{ header, sizeof(header) },
		{ mail->payload, mail->frame.payload_bytes },
	};
	struct rj_iov rest = rj_iov_of(iov, mail->frame.payload_bytes ? 2 : 1);
	int rc;

	rj_frame_encode(&mail->frame, NULL, mail->payload, header);
	rc = rj_sender_slices(s, &rest);
	if (!rc)
		rc = rj_sender_start_rest(s, &rest);
	return rc ? rc : rj_channel_send_wait(s->channel);
}

static int send_mail(struct rj_sender *s)
{
	_Atomic uint32_t *mailing = &s->counters->mailing;
	struct rj_message mail;
	int rc = 0;

	if (!s->outbox)
		return 0;
	/* Set before the box is looked at: whoever finds the box empty, under
	 * its lock, then also sees that a frame is being sent. */
	atomic_store_explicit(mailing, 1, memory_order_relaxed);
	while (!rc && rj_mailbox_get(s->outbox, &mail)) {
		rc = send_message(s, &mail);
		rj_message_done(&mail);
	}
	if (rc)
		return rc;
	rj_sender_publish(s);
	atomic_store_explicit(mailing, 0, memory_order_relaxed);
	return 0;
}

static int send_fence(struct rj_sender *s, uint32_t round, bool final)
{
	struct rj_out_frame *frame = filling(s);
	int rc = rj_out_frame_is_empty(frame) ? 0 : seal(s);

	if (rc)
		return rc;
	rj_out_frame_fence(frame, round, final);
	rj_lane_level_wait(&s->level);
	rc = rj_channel_send_wait(s->channel);
	rj_lane_level_waited(&s->level);
	atomic_store_explicit(&s->counters->fences, round + 1,
			      memory_order_release);
	return rc ? rc : launch(s);
}

static int end_round(struct rj_sender *s, bool final)
{
	const int rc = send_fence(s, s->round, final);

	if (!rc)
		rj_rounds_leave(s->rounds, s->index, s->round);
	return rc;
}

/* Is the worker to claim? If not, wait until it is, with nothing in flight;
 * 0: it is not, and the round is over. */
static int be_active(struct rj_sender *s)
{
	int rc;

	if (rj_likely(s->index < rj_rounds_active(s->rounds)))
		return 1;
	rc = flush(s);
	if (!rc)
		rc = rj_channel_send_wait(s->channel);
	if (rc)
		return rc;
	rj_send_path_rest(&s->path);
	set_state(s, RJ_LANE_RESTING);
	rj_lane_level_rest(&s->level);
	if (!rj_rounds_rest(s->rounds, s->index, s->round))
		return 0;
	rj_lane_level_work(&s->level);
	set_state(s, RJ_LANE_OPEN);
	return 1;
}

static bool is_dismissed(const struct rj_sender *s)
{
	return atomic_load_explicit(&s->dismissed, memory_order_relaxed);
}

static int claim_and_send(struct rj_sender *s, struct ramjet_error *err)
{
	struct rj_claim claim;
	int rc;

	while ((rc = be_active(s)) > 0) {
		if (is_dismissed(s))
			return -ECANCELED;
		rc = rj_rounds_claim(s->rounds, s->index, s->round, &claim,
				     err);
		if (rc < 0)
			return rc;
		if (!rc) {
			rj_rounds_exhausted(s->rounds, s->round);
			return 0;
		}
		rc = send_claim(s, &claim, err);
		if (!rc)
			rc = send_mail(s);
		if (rc)
			return rc;
	}
	return rc;
}

static int run_round(struct rj_sender *s, bool final, struct ramjet_error *err)
{
	int rc;

	rj_deltas_enter(s->deltas, s->round, final);
	if (s->may_be_lost)
		rj_claim_log_enter(
			&s->claims, s->round,
			atomic_load_explicit(s->applied, memory_order_relaxed));
	if (s->index < rj_rounds_active(s->rounds))
		set_state(s, RJ_LANE_OPEN);
	rj_lane_level_work(&s->level);
	rc = claim_and_send(s, err);
	/* A round that was stopped gets no fence: the target must not take it
	 * for complete. */
	if (!rc &&
	    atomic_load_explicit(&s->rounds->stopped, memory_order_relaxed))
		rc = -ECANCELED;
	if (!rc)
		rc = end_round(s, final);
	rj_lane_level_rest(&s->level);
	return rc;
}

static void publish_rtt(struct rj_sender *s)
{
	struct rj_channel_tcp tcp;

	rj_channel_tcp_info(s->channel, &tcp);
	atomic_store_explicit(&s->counters->rtt_us, tcp.rtt_us,
			      memory_order_relaxed);
}

/* After the last page: once this returns, nothing of ours reads or pins the
 * guest's memory, unless another round is opened after all. */
static int end_path(struct rj_sender *s)
{
	set_state(s, RJ_LANE_DRAINING);
	if (!s->concluded) {
		rj_send_path_conclude(&s->path);
		rj_sender_report_zero_copy(s);
		rj_lane_level_end(&s->level);
	}
	s->concluded = true;
	return rj_channel_drain(s->channel);
}

/* The fences of rounds in which this connection has no pages. */
static int catch_up(struct rj_sender *s)
{
	int rc = 0;

	for (uint32_t round = s->first_fence; !rc && round < s->round; round++)
		rc = send_fence(s, round, rj_rounds_is_final(s->rounds, round));
	return rc;
}

/* Until the last round is over, or stopped. */
static int run_rounds(struct rj_sender *s, struct ramjet_error *err)
{
	uint64_t kicks = 0;
	bool final = false;
	int rc = catch_up(s);

	if (rc)
		return rc;
	for (;;) {
		if (is_dismissed(s))
			return -ECANCELED;
		/* Finish what is in flight before waiting for a round. */
		rc = rj_channel_send_wait(s->channel);
		if (!rc)
			rc = send_mail(s);
		if (rc)
			return rc;
		rj_send_path_rest(&s->path);
		publish_rtt(s);
		switch (rj_rounds_enter(s->rounds, s->round, &kicks, &final)) {
		case RJ_ENTER_OPEN:
			rc = run_round(s, final, err);
			if (rc)
				return rc;
			s->round++;
			break;
		case RJ_ENTER_KICKED:
			break;
		case RJ_ENTER_NO_MORE:
			rc = end_path(s);
			if (!rc && s->may_be_lost) {
				/* A lost lane's pages may make another one. */
				rj_rounds_wait_more(s->rounds, s->round,
						    &kicks);
				break;
			}
			if (rc || !s->outbox)
				return rc;
			/* In band, control frames are still to be sent after
			 * the last page. */
			if (rj_rounds_wait_kick(s->rounds, &kicks))
				return send_mail(s);
			break;
		case RJ_ENTER_STOP:
			return send_mail(s);
		}
	}
}

/* The kernel could not read memory that it was to send: which? */
static void blame_block(struct rj_sender *s)
{
	for (unsigned i = 0; i < s->rounds->block_count; i++)
		for (unsigned j = 0; !s->err.code && j < RJ_CODEC_FRAMES; j++)
			(void)!rj_backing_blame_read(
				&s->rounds->blocks[i], s->frames[j]->iov,
				s->frames[j]->iov_count, &s->err);
}

/* Did the connection break, and nothing else? What else may fail has said so. */
static bool is_connections_fault(const struct rj_sender *s, int rc)
{
	return s->may_be_lost && !s->err.code &&
	       (rj_lane_is_loss(rc) || (rc == -ECANCELED && is_dismissed(s)));
}

static void end_with(struct rj_sender *s, int rc)
{
	const bool lost = is_connections_fault(s, rc);

	if (!s->err.code)
		(void)rj_fail_errno(&s->err, rc, "sending");
	rj_error_prefix(&s->err, "channel %u", s->index);
	s->err.code = rc;
	if (!lost) {
		rj_env_fail(&s->env, &s->err);
		return;
	}
	atomic_store_explicit(&s->lost, true, memory_order_release);
	rj_event_signal(s->env.event_fd);
}

static void *sender_thread(void *arg)
{
	struct rj_sender *s = arg;
	int rc = rj_numa_settle(&s->env, s->cpus, &s->err);

	if (!rc)
		rc = rj_sender_open(s, &s->err);
	if (!rc)
		set_state(s, RJ_LANE_OPEN);
	if (!rc)
		rc = run_rounds(s, &s->err);
	if (s->channel)
		rj_sender_publish(s);
	if (!rc)
		set_state(s, RJ_LANE_DRAINING);
	set_state(s, rc ? RJ_LANE_LOST : RJ_LANE_CLOSED);
	if (rc == -EFAULT && !s->err.code)
		blame_block(s);
	rj_send_path_done(&s->path);
	rj_channel_free(s->channel);
	free(s->frames[0]);
	free(s->frames[1]);
	free(s->staging);
	free(s->deltas);
	rj_page_codec_done(&s->codec);
	rj_lane_level_done(&s->level);
	if (rc)
		end_with(s, rc);
	return NULL;
}

int rj_sender_start(struct rj_sender *s, struct ramjet_error *err)
{
	char name[16];
	int rc;

	(void)snprintf(name, sizeof(name), "rj/send/%u", s->index);
	rc = rj_thread_start(&s->thread, name, sender_thread, s);
	if (rc)
		return rj_thread_fail(err, rc, "send worker %u", s->index);
	s->started = true;
	return 0;
}

void rj_sender_join(struct rj_sender *s)
{
	if (s->started)
		(void)pthread_join(s->thread, NULL);
	s->started = false;
}

void rj_sender_dismiss(struct rj_sender *s)
{
	atomic_store_explicit(&s->dismissed, true, memory_order_relaxed);
	rj_conn_abort(&s->conn);
	rj_rounds_set_active(s->rounds, s->rounds->worker_count);
	rj_rounds_kick(s->rounds);
	rj_sender_join(s);
	(void)rj_conn_close(&s->conn, 1, NULL);
}

/* What is counted of a lost connection: nothing of it is under way any more. */
static void settle_counters(struct rj_counters *c)
{
	const uint64_t launched = rj_counter(&c->launched_bytes);

	atomic_store_explicit(&c->wire_bytes, launched, memory_order_relaxed);
	atomic_store_explicit(&c->claimed_pages,
			      rj_counted_full(c) + rj_counted_empty(c),
			      memory_order_relaxed);
	atomic_store_explicit(&c->rtt_us, 0, memory_order_relaxed);
}

void rj_sender_renew(struct rj_sender *s)
{
	settle_counters(s->counters);
	rj_claim_log_done(&s->claims);
	s->earlier_bytes = rj_counter(&s->counters->wire_bytes);
	s->channel = NULL;
	s->path = (struct rj_send_path){ 0 };
	s->err = (struct ramjet_error){ 0 };
	s->codec = (struct rj_page_codec){ 0 };
	s->level = (struct rj_lane_level){ 0 };
	for (unsigned i = 0; i < RJ_CODEC_FRAMES; i++)
		s->frames[i] = NULL;
	s->filling = 0;
	s->staging = NULL;
	s->deltas = NULL;
	s->rate = 0;
	s->frames_sent = 0;
	s->concluded = false;
	atomic_store_explicit(&s->taken, 0, memory_order_relaxed);
	atomic_store_explicit(&s->dismissed, false, memory_order_relaxed);
	atomic_store_explicit(&s->lost, false, memory_order_relaxed);
}
