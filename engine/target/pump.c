/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/target/pump.h"
#include "engine/target/lost_lanes.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "engine/guest/params.h"
#include "engine/link/event.h"
#include "engine/migration/last_words.h"
#include "engine/migration/news.h"
#include "engine/page/known_kinds.h"
#include "engine/wire/bytes.h"
#include "engine/wire/digest_parts.h"
#include "ringio/wait.h"
#include "util/clock.h"
#include "util/error.h"

/* Chosen: how soon a silent source is noticed, and the rate shown anew. */
#define TICK_MS 250
/* Chosen: how often the source hears how far lanes are. */
#define LANES_MS 100

/* At the first frame of the switchover, the pause has begun for the target. */
static int enter_switchover(struct ramjet_migration *m)
{
	if (ramjet_migration_state(m) != RAMJET_STATE_ACTIVE)
		return 0;
	m->in->pause_began_us = m->in->term_began_us = rj_now_us();
	return rj_migration_set_state(m, RAMJET_STATE_SWITCHOVER) ? 0
								  : -ECANCELED;
}

/* Take one message of the source's; whether it may come, rj_talk_check() has
 * judged. */
typedef int take_fn(struct ramjet_migration *m, struct rj_message *message,
		    struct ramjet_error *err);

static struct rj_record *record_of(struct ramjet_migration *m, uint32_t kind,
				   uint64_t *ret_limit, const char **ret_what)
{
	const struct ramjet_params params = rj_migration_params(m);

	if (kind == RJ_STATE_DEVICE) {
		*ret_limit = rj_params_state_bytes_max(&params);
		*ret_what = "device";
		return &m->in->device;
	}
	if (kind == RJ_STATE_HELPERS) {
		*ret_limit = rj_target_helper_bytes_max(m);
		*ret_what = "helper";
		return &m->in->helper_states;
	}
	if (kind == RJ_STATE_PARTS) {
		*ret_limit =
			(uint64_t)m->in->block_count * RJ_DIGEST_PARTS_BYTES;
		*ret_what = "digest parts";
		return &m->in->parts;
	}
	return NULL;
}

static int take_state(struct ramjet_migration *m, struct rj_message *message,
		      struct ramjet_error *err)
{
	const size_t piece = message->frame.payload_bytes;
	const char *what = "";
	uint64_t limit = 0;
	struct rj_record *record =
		record_of(m, message->frame.aux, &limit, &what);
	uint8_t *grown;
	int rc = enter_switchover(m);

	if (rc)
		return rc;
	if (!record && message->frame.flags & RJ_FLAG_OPTIONAL)
		return 0;
	if (!record)
		return rj_fail(err, -EPROTO, "STATE: unknown kind %u",
			       message->frame.aux);
	if (piece > limit - record->bytes)
		return rj_fail(err, -EMSGSIZE,
			       "STATE: more than %llu bytes of %s state",
			       (unsigned long long)limit, what);
	grown = realloc(record->data, record->bytes + piece + 1);
	if (!grown)
		return rj_fail(err, -ENOMEM, "STATE: out of memory");
	record->data = grown;
	if (piece)
		memcpy(record->data + record->bytes, message->payload, piece);
	record->bytes += piece;
	record->begun = true;
	record->complete = !(message->frame.flags & RJ_FLAG_MORE);
	return 0;
}

/* What this build knows, it takes; unless it was told not to. */
static int take_offer(struct ramjet_migration *m, struct rj_message *message,
		      struct ramjet_error *err)
{
	const struct ramjet_params params = rj_migration_params(m);
	uint32_t kinds, unwanted = 0;
	int rc = rj_kinds_decode(RJ_FRAME_OFFER, message->payload,
				 message->frame.payload_bytes, &kinds, err);

	if (rc)
		return rc;
	if (params.compression == RAMJET_COMPRESSION_NONE)
		unwanted |= 1u << RJ_RUN_ZSTD | 1u << RJ_RUN_JOINED;
	if (params.deltas == RAMJET_DELTAS_OFF)
		unwanted |= 1u << RJ_RUN_DELTA | 1u << RJ_RUN_SAME;
	m->in->was_offered = true;
	m->in->takes = kinds & rj_kinds_known() & ~unwanted;
	return 0;
}

static int take_digests(struct ramjet_migration *m, struct rj_message *message,
			struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	const size_t wanted = (size_t)in->block_count * RJ_DIGEST_BYTES;
	int rc = enter_switchover(m);

	if (rc)
		return rc;
	if (message->frame.payload_bytes != wanted)
		return rj_fail(err, -EPROTO, "DIGESTS: %u bytes, wanted %zu",
			       message->frame.payload_bytes, wanted);
	in->digest_of = message->frame.aux;
	in->digests = message->payload;
	message->payload = NULL;
	return 0;
}

static int take_announcement(struct ramjet_migration *m,
			     struct rj_message *message,
			     struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	int rc = enter_switchover(m);

	(void)err;
	if (rc)
		return rc;
	in->announced_us = rj_now_us();
	in->final_round = message->frame.round;
	return 0;
}

static int take_commit(struct ramjet_migration *m, struct rj_message *message,
		       struct ramjet_error *err)
{
	(void)err;
	m->in->committed_us = rj_now_us();
	m->in->commit_token = rj_get64(message->payload);
	m->in->arrives_paused = message->frame.flags & RJ_FLAG_PAUSED;
	return 0;
}

static int take_end(struct ramjet_migration *m, struct rj_message *message,
		    struct ramjet_error *err)
{
	return rj_take_last_words(&m->in->env, message, "source", err);
}

/* True when the error is the message's, not one of our own. */
static bool is_refusal(const struct rj_message *message, int rc)
{
	const uint8_t type = message->frame.type;

	return rc != -ECANCELED && type != RJ_FRAME_FAILED &&
	       type != RJ_FRAME_CANCEL && type != RJ_FRAME_BLOCKS &&
	       type != RJ_FRAME_GUEST;
}

int rj_target_take(struct ramjet_migration *m, struct rj_message *message,
		   struct ramjet_error *err)
{
	static take_fn *const takes[] = {
		[RJ_FRAME_OFFER] = take_offer,
		[RJ_FRAME_KEEPS] = rj_target_take_keeps,
		[RJ_FRAME_GUEST] = rj_target_take_guest,
		[RJ_FRAME_BLOCKS] = rj_target_take_blocks,
		[RJ_FRAME_STATE] = take_state,
		[RJ_FRAME_DIGESTS] = take_digests,
		[RJ_FRAME_SWITCHOVER] = take_announcement,
		[RJ_FRAME_COMMIT] = take_commit,
		[RJ_FRAME_LOST] = rj_lost_lanes_take_lost,
		[RJ_FRAME_BACK] = rj_lost_lanes_take_back,
		[RJ_FRAME_FAILED] = take_end,
		[RJ_FRAME_CANCEL] = take_end,
	};
	struct rj_talk *talk = &m->in->talk;
	int rc = rj_talk_check(talk, RJ_TALK_SOURCE, &message->frame, err);

	if (rc) {
		rj_link_blame(message, err);
		return rc;
	}
	rc = takes[message->frame.type](m, message, err);
	if (!rc)
		rj_talk_move(talk, &message->frame);
	else if (is_refusal(message, rc))
		rj_link_blame(message, err);
	return rc;
}

static int take_messages(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_message message;
	int rc;

	/* Nothing is read after COMMIT. */
	while (!rj_talk_has(&m->in->talk, RJ_TALK_COMMITTED) &&
	       (rc = rj_link_poll(&m->in->link, &message, err)) != 0) {
		if (rc < 0)
			return rc;
		rc = rj_target_take(m, &message, err);
		rj_message_done(&message);
		/* Look at a cancel between messages, too: they may never
		 * stop. */
		if (!rc && rj_migration_is_cancelled(m))
			rc = -ECANCELED;
		if (rc)
			return rc;
	}
	return 0;
}

/* A round as the target sees it: what has arrived since the one before. */
static void record_round(struct ramjet_migration *m)
{
	struct rj_incoming *in = m->in;
	const uint64_t now_us = rj_now_us();
	struct ramjet_round_info sum = { 0 };
	struct ramjet_round_info round;

	for (unsigned i = 0; i < in->channel_count; i++) {
		const struct rj_counters *c = &m->counters[i];

		sum.pages += rj_counted_full(c) + rj_counted_empty(c);
		sum.bytes += rj_counter(&c->payload_bytes);
	}
	round = (struct ramjet_round_info){
		.pages = sum.pages - in->so_far.pages,
		.bytes = sum.bytes - in->so_far.bytes,
		.us = now_us - in->so_far.us,
	};
	sum.us = now_us;
	in->so_far = sum;
	rj_lock(&m->lock);
	rj_statistics_add_round(&m->stats, &round);
	rj_unlock(&m->lock);
	rj_news_tell(m);
}

static int report_applied(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	bool final;
	const uint32_t applied = rj_fences_applied(&in->fences, &final);
	int rc = 0;

	/* Hold APPLIED back until all is clear: a source that hears it may
	 * switch over. */
	if (!rj_clearing_is_over(&in->memory.clearing))
		return 0;
	while (!rc && in->reported < applied) {
		const struct rj_frame frame = {
			.type = RJ_FRAME_APPLIED,
			.round = in->reported,
		};

		if (!in->one_way)
			rc = rj_link_send(&in->link, &frame, NULL,
					  rj_migration_reply_deadline(m), err);
		in->reported++;
		record_round(m);
	}
	return rc;
}

static void record_rate(struct ramjet_migration *m)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < m->in->channel_count; i++)
		bytes += rj_counter(&m->counters[i].payload_bytes);
	rj_lock(&m->lock);
	rj_statistics_rate(&m->stats, bytes, rj_now_us());
	rj_unlock(&m->lock);
}

int rj_target_look(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct rj_receiver *r = &m->in->receivers[0];
	/* In band. Looked at before the messages: so when it has ended, all it
	 * has read is among them. */
	const bool ended =
		m->in->has_inbox &&
		atomic_load_explicit(&r->ended, memory_order_acquire);
	const int rc = take_messages(m, err);

	return rc || !ended ? rc
			    : rj_fail(err, r->end.code, "%s", r->end.message);
}

static int pump(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct pollfd fds[3] = {
		{ .fd = m->event_fd, .events = POLLIN },
		{ .fd = -1 },
		{ .fd = m->wake_fd, .events = POLLIN },
	};
	int timeout_ms = in->lanes_may_be_lost ? LANES_MS : TICK_MS, rc;

	fds[1] = rj_link_pollfd(&in->link, &timeout_ms);
	if (poll(fds, 3, timeout_ms) < 0 && errno != EINTR)
		return rj_fail_errno(err, -errno, "control thread: poll");
	rj_event_clear(m->event_fd);
	record_rate(m);
	rc = rj_target_look(m, err);
	/* A source must hear that a lane is lost before it hears of a round
	 * that was applied without it. */
	if (!rc)
		rc = rj_lost_lanes_look(m, err);
	if (!rc)
		rc = report_applied(m, err);
	if (!rc && fds[2].revents)
		rc = -ECANCELED;
	return rc;
}

static bool all_there(struct rj_incoming *in)
{
	bool final;
	const uint32_t applied = rj_fences_applied(&in->fences, &final);

	return rj_talk_has(&in->talk, RJ_TALK_ANNOUNCED) && final &&
	       in->reported == applied &&
	       rj_clearing_is_over(&in->memory.clearing);
}

/* After its final fence a channel must be silent. No worker reads it any
 * longer: so look whether there is something. */
static int check_silence(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;

	for (unsigned i = 0; !in->has_inbox && i < in->channel_count; i++) {
		uint8_t byte;

		if (rj_conn_is_open(&in->receivers[i].conn) &&
		    rj_conn_receive(&in->receivers[i].conn, &byte, 1) == 1)
			return rj_fail(err, -EPROTO,
				       "channel %u, offset %llu: more comes "
				       "after the final fence",
				       i,
				       (unsigned long long)rj_counter(
					       &m->counters[i].wire_bytes));
	}
	return 0;
}

/* True for errors of a receive worker in band, which may have read further than
 * the messages that are handled so far. */
static bool is_from_stream(int rc)
{
	return rc == -ENODATA || rc == -EPIPE || rc == -EPROTO ||
	       rc == -EBADMSG;
}

/* The final round that SWITCHOVER names must be the one that the fences ended
 * with; that error comes before one of the stream's end. */
static int check_last_round(struct rj_incoming *in, int rc,
			    struct ramjet_error *err)
{
	bool final;
	const uint32_t applied = rj_fences_applied(&in->fences, &final);

	if (!rj_talk_has(&in->talk, RJ_TALK_ANNOUNCED) || !final ||
	    in->final_round + 1 == applied)
		return rc;
	rj_error_clear(err);
	return rj_fail(err, -EPROTO,
		       "SWITCHOVER: names round %u as the last, the "
		       "channels ended with %u",
		       in->final_round, applied - 1);
}

/* Has the source been silent for too long? Not looked at after READY: from
 * there on the target waits as long as the connection lasts. */
static int check_pulse(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	uint64_t activity = 0;

	if (in->one_way)
		return 0;
	if (rj_link_is_lost(&in->link)) {
		in->heartbeat.heard_ns = 0;
		return 0;
	}
	for (unsigned i = 0; i < in->channel_count; i++)
		activity += rj_counter(&m->counters[i].wire_bytes);
	/* In band, the source does not answer before its first page. */
	if (in->has_inbox && !activity)
		return 0;
	activity += atomic_load_explicit(&in->link.heard, memory_order_relaxed);
	switch (rj_heartbeat_look(&in->heartbeat, activity, &in->link.ping,
				  rj_now_ns())) {
	case RJ_PULSE_FINE:
		return 0;
	case RJ_PULSE_ASK:
		return rj_link_ping(&in->link, false, 0, err);
	case RJ_PULSE_DEAD:
		break;
	}
	(void)rj_fail(
		err, -ETIMEDOUT,
		"control link: the source has said nothing for %llu s, "
		"and does not answer: it is stopped, or gone while "
		"another process holds its connections",
		(unsigned long long)(rj_heartbeat_limits.dead_ns / 1000000000));
	return rj_link_give_up(&in->link, err);
}

int rj_target_await_all(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	int rc = 0;

	while (!rc && !all_there(in)) {
		rc = pump(m, err);
		if (!rc)
			rc = check_pulse(m, err);
	}
	if (!rc || is_from_stream(rc))
		rc = check_last_round(in, rc, err);
	return rc ? rc : check_silence(m, err);
}

/* exec:, if the command fails, the stream is not what it was meant to be: do
 * not start the guest. */
static int end_command(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_receiver *r = &m->in->receivers[0];

	if (!r->conn.command)
		return 0;
	rj_receiver_join(r);
	return rj_conn_finish(&r->conn, rj_migration_reply_deadline(m),
			      m->wake_fd, err);
}

int rj_target_await_commit(struct ramjet_migration *m, struct ramjet_error *err)
{
	int rc = 0;

	while (!rc && !rj_talk_has(&m->in->talk, RJ_TALK_COMMITTED))
		rc = pump(m, err);
	if (!rc)
		rc = check_silence(m, err);
	return rc || !m->in->one_way ? rc : end_command(m, err);
}

bool rj_target_await_known(struct ramjet_migration *m, uint64_t deadline_ns)
{
	struct rj_link *link = &m->in->link;
	struct rj_message message;
	int rc = 0;

	if (!link->resume)
		return true;
	while (!rj_resume_is_all_known(link->resume)) {
		rj_event_clear(m->event_fd);
		/* Nothing comes but the news that it will not return. */
		while ((rc = rj_link_poll(link, &message, NULL)) > 0)
			rj_message_done(&message);
		if (rc < 0)
			return true;
		if (rj_resume_is_all_known(link->resume))
			break;
		/* Whoever frees the migration does not wait. */
		if (rj_wait_fd(m->event_fd, POLLIN, deadline_ns, m->wake_fd))
			return false;
	}
	return true;
}
