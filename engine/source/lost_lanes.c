/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/lost_lanes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/link/lane.h"
#include "engine/migration/course.h"
#include "engine/page/delta_cache.h"
#include "engine/wire/lanes.h"
#include "ringio/tcp.h"
#include "util/bits.h"
#include "util/clock.h"
#include "util/error.h"

/* All chosen. How often each connection is looked at; how long it takes until one
 * is tried again, and at most. */
#define LOOK_NS       (100 * UINT64_C(1000000))
#define DELAY_NS      (100 * UINT64_C(1000000))
#define DELAY_DOUBLES 4u
#define DELAY_MAX_NS  UINT64_C(1000000000)

int rj_source_lost_begin(struct rj_outgoing *out, struct ramjet_error *err)
{
	const struct rj_source_session *session = &out->session;

	if (!session->lanes_may_be_lost)
		return 0;
	out->losses.lanes =
		calloc(out->lanes.channel_count, sizeof(*out->losses.lanes));
	if (!out->losses.lanes)
		return rj_fail(err, -ENOMEM, "session: out of memory");
	for (unsigned i = 0; i < out->lanes.channel_count; i++)
		out->losses.lanes[i].counts = true;
	out->lanes.may_be_lost = true;
	return 0;
}

void rj_source_lost_stop(struct rj_outgoing *out)
{
	struct rj_conn conn = rj_rejoin_take(&out->losses.rejoin);

	(void)rj_conn_close(&conn, 1, NULL);
}

void rj_source_lost_done(struct rj_outgoing *out)
{
	rj_source_lost_stop(out);
	free(out->losses.lanes);
	out->losses.lanes = NULL;
}

bool rj_source_lost_are_through(struct rj_outgoing *out)
{
	return out->handover.last_opened && !out->losses.another_round &&
	       out->pages.applied > out->handover.final_round;
}

static void count(const struct rj_env *env, uint32_t *figure)
{
	rj_lock(env->lock);
	(*figure)++;
	rj_unlock(env->lock);
}

static unsigned how_many(const struct rj_outgoing *out, int course)
{
	unsigned lanes = 0;

	for (unsigned i = 0; i < out->lanes.channel_count; i++)
		lanes += (int)out->losses.lanes[i].course == course;
	return lanes;
}

/* ---- lost ---------------------------------------------------------------- */

static int say_lost(struct rj_outgoing *out, unsigned index,
		    struct ramjet_error *err)
{
	const struct rj_lost lost = {
		.lane = (uint16_t)index,
		.epoch = out->losses.lanes[index].epoch,
	};
	const struct rj_frame frame = {
		.type = RJ_FRAME_LOST,
		.payload_bytes = RJ_LOST_BYTES,
	};
	uint8_t body[RJ_LOST_BYTES];

	rj_lost_encode(&lost, body);
	return rj_link_send(&out->session.link, &frame, body,
			    rj_env_reply_deadline(&out->env), err);
}

/* The first sign of it: the worker ends, if it has not. */
static void note_loss(struct rj_outgoing *out, unsigned index,
		      const struct ramjet_error *why)
{
	struct rj_lane_loss *lane = &out->losses.lanes[index];
	struct rj_sender *s = &out->lanes.senders[index];

	lane->lost_ns = rj_now_ns();
	lane->tries = 0;
	rj_sender_dismiss(s);
	lane->why = why->code ? *why : s->err;
	rj_lane_move(&s->counters->state, RJ_LANE_LOST);
	if (rj_source_lost_are_through(out))
		return;
	rj_log(out->env.log, RJ_LOG_WARNING, "%s: lost; the others go on",
	       lane->why.message);
	count(&out->env, &out->env.stats->lanes_lost);
}

/* Of this side's own accord: what does the target have? */
static int ask(struct rj_outgoing *out, unsigned index,
	       const struct ramjet_error *why, struct ramjet_error *err)
{
	struct rj_lane_loss *lane = &out->losses.lanes[index];

	note_loss(out, index, why);
	/* Nothing of it is missing. */
	if (rj_source_lost_are_through(out)) {
		lane->course = RJ_LANE_AWAY;
		return 0;
	}
	lane->course = RJ_LANE_ASKED;
	out->losses.asked++;
	return say_lost(out, index, err);
}

/* ---- back ---------------------------------------------------------------- */

struct put_back {
	struct rj_outgoing *out;
	uint64_t pages;
};

static void put_run_back(struct put_back *put, unsigned block, uint64_t page,
			 uint64_t count)
{
	struct rj_outgoing *out = put->out;

	if (out->lanes.reduction.deltas)
		rj_delta_cache_forget(out->lanes.reduction.deltas, block, page,
				      count);
	rj_told_mark(&out->pages.rounds.told, block, page, count);
	put->pages += count;
}

static void put_claim_back(void *user, unsigned block, uint64_t chunk,
			   const uint64_t *words)
{
	struct put_back *put = user;
	const uint64_t first = chunk * RJ_CHUNK_PAGES;
	const uint64_t left =
		put->out->pages.rounds.blocks[block].page_count - first;
	struct rj_run run = { 0 };

	if (!words) {
		put_run_back(put, block, first,
			     left < RJ_CHUNK_PAGES ? left : RJ_CHUNK_PAGES);
		return;
	}
	while ((run = rj_words_next_run(words, RJ_CHUNK_PAGES,
					run.first + run.count))
		       .count)
		put_run_back(put, block, first + run.first, run.count);
}

/* All that the target may not have of it is dirty again. */
static uint64_t put_back(struct rj_outgoing *out, unsigned index,
			 uint64_t frames)
{
	struct rj_sender *s = &out->lanes.senders[index];
	struct put_back put = { .out = out };

	rj_claim_log_visit(&s->claims, frames, put_claim_back, &put);
	rj_lock(out->env.lock);
	out->env.stats->resent_pages += put.pages;
	rj_unlock(out->env.lock);
	return put.pages;
}

static int say_back(struct rj_outgoing *out, unsigned index,
		    struct ramjet_error *err)
{
	const struct rj_lane_round back = {
		.lane = (uint16_t)index,
		.epoch = out->losses.lanes[index].epoch,
		.round = rj_rounds_next(&out->pages.rounds),
	};
	const struct rj_frame frame = {
		.type = RJ_FRAME_BACK,
		.payload_bytes = RJ_LANE_ROUND_BYTES,
	};
	uint8_t body[RJ_LANE_ROUND_BYTES];

	rj_lane_round_encode(&back, body);
	rj_talk_said(&out->session.talk, RJ_FRAME_BACK);
	return rj_link_send(&out->session.link, &frame, body,
			    rj_env_reply_deadline(&out->env), err);
}

/* How many lanes work is not tried out any more: all do. */
static void tell_of_rest(struct rj_outgoing *out)
{
	char chosen[32];

	out->lanes.plan.automatic = false;
	(void)snprintf(chosen, sizeof(chosen), "%u of %u",
		       how_many(out, RJ_LANE_WORKS), out->lanes.channel_count);
	rj_env_path_now(&out->env, "channels", chosen, "connections were lost");
}

/* Its worker has ended, and the target has `frames` of it in memory, no more. */
static int take_out(struct rj_outgoing *out, unsigned index, uint64_t frames,
		    struct ramjet_error *err)
{
	struct rj_lane_loss *lane = &out->losses.lanes[index];
	struct rj_sender *s = &out->lanes.senders[index];
	const uint64_t taken =
		atomic_load_explicit(&s->taken, memory_order_relaxed);
	uint64_t pages;

	if (frames > s->frames_sent || frames < taken)
		return rj_fail(err, -EPROTO,
			       "LOST: channel %u: %llu frames, wanted %llu, "
			       "which it had taken, to %llu, which were sent",
			       index, (unsigned long long)frames,
			       (unsigned long long)taken,
			       (unsigned long long)s->frames_sent);
	pages = put_back(out, index, frames);
	rj_sender_renew(s);
	if (lane->counts)
		rj_rounds_lose(&out->pages.rounds, index);
	lane->counts = false;
	lane->course = RJ_LANE_AWAY;
	tell_of_rest(out);
	rj_log(out->env.log, RJ_LOG_INFO,
	       "channel %u: lost after %llu frames; %llu pages go again", index,
	       (unsigned long long)frames, (unsigned long long)pages);
	return 0;
}

/* The target says that the last round is applied, so nothing follows. */
static int take_finished(struct rj_outgoing *out, const struct rj_lost *lost,
			 struct ramjet_error *err)
{
	struct rj_lane_loss *lane = &out->losses.lanes[lost->lane];
	const uint32_t fences = atomic_load_explicit(
		&out->lanes.senders[lost->lane].counters->fences,
		memory_order_acquire);

	if (!lost->finished || !out->handover.last_opened ||
	    out->losses.another_round || fences <= out->handover.final_round)
		return rj_fail(err, -EPROTO,
			       "LOST: channel %u: its last round is %s",
			       lost->lane,
			       lost->finished ? "not sent, and said to be there"
					      : "applied, and said to be lost");
	if (lane->course != RJ_LANE_ASKED)
		return 0;
	out->losses.asked--;
	lane->course = RJ_LANE_AWAY;
	return 0;
}

static int take_loss(struct rj_outgoing *out, const struct rj_lost *lost,
		     struct ramjet_error *err)
{
	struct rj_lane_loss *lane = &out->losses.lanes[lost->lane];
	struct ramjet_error why = { 0 };
	int rc;

	if (lane->course == RJ_LANE_ASKED) {
		out->losses.asked--;
	} else {
		(void)rj_fail(&why, -ECONNRESET,
			      "channel %u: the target has lost it", lost->lane);
		note_loss(out, lost->lane, &why);
	}
	rc = take_out(out, lost->lane, lost->frames, err);
	if (rc)
		return rc;
	/* Its fence of the final round is missing, whatever else is. */
	out->losses.another_round |= out->handover.last_opened;
	return say_back(out, lost->lane, err);
}

int rj_source_lost_take_lost(struct rj_outgoing *out,
			     struct rj_message *message,
			     struct ramjet_error *err)
{
	const struct rj_lane_loss *lane;
	struct rj_lost lost = { 0 };
	int rc = rj_lost_decode(message->payload, message->frame.payload_bytes,
				out->lanes.channel_count, &lost, err);

	if (rc)
		return rc;
	lane = &out->losses.lanes[lost.lane];
	if (lost.epoch > lane->epoch)
		return rj_fail(err, -EPROTO,
			       "LOST: channel %u of epoch %u, it has epoch %u",
			       lost.lane, lost.epoch, lane->epoch);
	if (lost.epoch < lane->epoch || lane->course == RJ_LANE_AWAY)
		return 0;
	return (lost.finished || rj_source_lost_are_through(out)
			? take_finished
			: take_loss)(out, &lost, err);
}

/* ---- anew ---------------------------------------------------------------- */

static uint64_t window_end_ns(const struct rj_outgoing *out,
			      const struct rj_lane_loss *lane)
{
	return lane->lost_ns + out->session.reconnect_ms * UINT64_C(1000000);
}

/* With the guest stopped it is tried only if there is no other way. */
static bool may_rejoin(struct rj_outgoing *out)
{
	const enum ramjet_state state = rj_course_state(&out->env);

	return state == RAMJET_STATE_ACTIVE || state == RAMJET_STATE_HELD ||
	       !how_many(out, RJ_LANE_WORKS);
}

/* The next one after the last that was tried, or channel_count. */
static unsigned whose_turn(const struct rj_outgoing *out, uint64_t now_ns)
{
	const unsigned count = out->lanes.channel_count;

	for (unsigned i = 1; i <= count; i++) {
		const unsigned index = (out->losses.rejoining + i) % count;
		const struct rj_lane_loss *lane = &out->losses.lanes[index];

		if (lane->course == RJ_LANE_AWAY &&
		    now_ns < window_end_ns(out, lane))
			return index;
	}
	return count;
}

/* At once at first. */
static uint64_t delay_ns(unsigned tries)
{
	const unsigned doubles =
		tries > DELAY_DOUBLES ? DELAY_DOUBLES : tries - !!tries;
	const uint64_t ns = tries ? DELAY_NS << doubles : 0;

	return ns < DELAY_MAX_NS ? ns : DELAY_MAX_NS;
}

static void try_anew(struct rj_outgoing *out)
{
	const uint64_t now_ns = rj_now_ns();
	const unsigned index = whose_turn(out, now_ns);
	struct rj_rejoin_options options = {
		.uri = out->session.uri,
		.control = &out->session.link.conn,
		.hello = out->session.hello,
		.event_fd = out->env.event_fd,
	};
	struct ramjet_error err = { 0 };
	struct rj_lane_loss *lane;

	if (index == out->lanes.channel_count)
		return;
	lane = &out->losses.lanes[index];
	options.hello.role = RJ_ROLE_DATA;
	options.hello.channel_index = (uint16_t)index;
	options.hello.channel_count = (uint16_t)out->lanes.channel_count;
	options.hello.epoch = lane->epoch + 1;
	options.delay_ns = delay_ns(lane->tries++);
	options.deadline_ns = window_end_ns(out, lane);
	out->losses.rejoining = index;
	if (rj_rejoin_start(&out->losses.rejoin, &options, &err)) {
		rj_log(out->env.log, RJ_LOG_WARNING, "%s", err.message);
		return;
	}
	rj_lane_move(&out->lanes.senders[index].counters->state,
		     RJ_LANE_REJOINING);
}

static void give_up_try(struct rj_outgoing *out)
{
	const unsigned index = out->losses.rejoining;
	struct rj_rejoin *rejoin = &out->losses.rejoin;

	rj_source_lost_stop(out);
	rj_lane_move(&out->lanes.senders[index].counters->state, RJ_LANE_LOST);
	rj_log(out->env.log, RJ_LOG_DEBUG, "channel %u: not connected anew: %s",
	       index, rejoin->err.message);
}

static void look_after_rejoin(struct rj_outgoing *out)
{
	struct rj_rejoin *rejoin = &out->losses.rejoin;

	if (rejoin->started && rj_rejoin_is_over(rejoin))
		give_up_try(out);
	if (!rejoin->started && may_rejoin(out))
		try_anew(out);
}

/* A worker for it, which begins with the fences that the target waits for. */
static int begin_anew(struct rj_outgoing *out, unsigned index, uint32_t round,
		      struct rj_conn conn, struct ramjet_error *err)
{
	struct rj_lane_loss *lane = &out->losses.lanes[index];
	struct rj_sender *s = &out->lanes.senders[index];

	s->conn = conn;
	s->first_fence = round;
	s->round = rj_rounds_join(&out->pages.rounds, index, round);
	atomic_store_explicit(&s->counters->fences, round,
			      memory_order_relaxed);
	lane->counts = true;
	lane->course = RJ_LANE_WORKS;
	lane->stall = (struct rj_lane_stall){ 0 };
	count(&out->env, &out->env.stats->lanes_rejoined);
	tell_of_rest(out);
	rj_log(out->env.log, RJ_LOG_INFO,
	       "channel %u: connected anew, from round %u on", index, s->round);
	return rj_sender_start(s, err);
}

static int check_joined(const struct rj_outgoing *out,
			const struct rj_lane_round *joined,
			struct ramjet_error *err)
{
	const struct rj_lane_loss *lane = &out->losses.lanes[joined->lane];

	if (lane->course != RJ_LANE_AWAY || joined->epoch != lane->epoch + 1)
		return rj_fail(err, -EPROTO,
			       "JOINED: channel %u of epoch %u, which was not "
			       "connected anew (epoch %u)",
			       joined->lane, joined->epoch, lane->epoch);
	if (joined->round < out->pages.applied ||
	    joined->round > out->pages.round + 1)
		return rj_fail(err, -EPROTO,
			       "JOINED: channel %u: round %u, wanted %u to %u",
			       joined->lane, joined->round, out->pages.applied,
			       out->pages.round + 1);
	return 0;
}

int rj_source_lost_take_joined(struct rj_outgoing *out,
			       struct rj_message *message,
			       struct ramjet_error *err)
{
	struct rj_conn conn = RJ_CONN_NONE;
	struct rj_lane_round joined = { 0 };
	struct rj_lane_loss *lane;
	int rc = rj_lane_round_decode(RJ_FRAME_JOINED, message->payload,
				      message->frame.payload_bytes,
				      out->lanes.channel_count, &joined, err);

	if (!rc)
		rc = check_joined(out, &joined, err);
	if (rc)
		return rc;
	lane = &out->losses.lanes[joined.lane];
	lane->epoch++;
	atomic_store_explicit(&out->lanes.senders[joined.lane].counters->epoch,
			      lane->epoch, memory_order_relaxed);
	if (out->losses.rejoin.started && out->losses.rejoining == joined.lane)
		conn = rj_rejoin_take(&out->losses.rejoin);
	if (rj_conn_is_open(&conn))
		return begin_anew(out, joined.lane, joined.round, conn, err);
	/* Given up here by now. The target waits for it: it is lost again. */
	rj_lane_move(&out->lanes.senders[joined.lane].counters->state,
		     RJ_LANE_LOST);
	lane->course = RJ_LANE_ASKED;
	out->losses.asked++;
	count(&out->env, &out->env.stats->lanes_lost);
	return say_lost(out, joined.lane, err);
}

/* ---- how far the target is ----------------------------------------------- */

int rj_source_lost_take_taken(struct rj_outgoing *out,
			      struct rj_message *message,
			      struct ramjet_error *err)
{
	struct rj_taken taken[RAMJET_CHANNELS_MAX];
	int rc = rj_taken_decode(message->payload, message->frame.payload_bytes,
				 out->lanes.channel_count, taken, err);

	/* Of one that is away it may still come, and the next connection begins
	 * with none. */
	for (unsigned i = 0; !rc && i < out->lanes.channel_count; i++)
		if (out->losses.lanes[i].course == RJ_LANE_WORKS &&
		    taken[i].epoch == out->losses.lanes[i].epoch)
			atomic_store_explicit(&out->lanes.senders[i].taken,
					      taken[i].frames,
					      memory_order_relaxed);
	return rc;
}

/* ---- looking ------------------------------------------------------------- */

static bool is_stalled(struct rj_outgoing *out, unsigned index, uint64_t now_ns)
{
	const struct rj_conn *conn = &out->lanes.senders[index].conn;
	struct rj_channel_tcp tcp;

	if (conn->kind != RJ_CONN_TCP)
		return false;
	rj_tcp_info(conn->fd, &tcp);
	return rj_lane_stall_look(&out->losses.lanes[index].stall, &tcp,
				  now_ns);
}

/* What its worker does not find out: it may have nothing to send. */
static int check_lane(struct rj_outgoing *out, unsigned i, uint64_t now_ns,
		      struct ramjet_error *why)
{
	if (rj_conn_is_hung_up(&out->lanes.senders[i].conn))
		return rj_fail(why, -ECONNRESET,
			       "channel %u: the connection has ended", i);
	if (is_stalled(out, i, now_ns))
		return rj_fail(why, -ETIMEDOUT,
			       "channel %u: stalled: what was sent is not "
			       "acknowledged, though it was sent again",
			       i);
	return 0;
}

static int look_for_losses(struct rj_outgoing *out, bool stalls,
			   struct ramjet_error *err)
{
	const uint64_t now_ns = rj_now_ns();
	int rc = 0;

	for (unsigned i = 0; !rc && i < out->lanes.channel_count; i++) {
		struct ramjet_error why = { 0 };

		if (out->losses.lanes[i].course != RJ_LANE_WORKS)
			continue;
		if (!rj_sender_is_lost(&out->lanes.senders[i]) &&
		    (!stalls || !check_lane(out, i, now_ns, &why)))
			continue;
		rc = ask(out, i, &why, err);
	}
	return rc;
}

/* The target must answer, and a lane must be there, or come back. */
static int check_time(const struct rj_outgoing *out, struct ramjet_error *err)
{
	const uint64_t reply_ns =
		rj_env_params(&out->env).reply_timeout_ms * UINT64_C(1000000);
	const struct rj_lane_loss *last = &out->losses.lanes[0];
	const uint64_t now_ns = rj_now_ns();

	for (unsigned i = 0; i < out->lanes.channel_count; i++) {
		const struct rj_lane_loss *lane = &out->losses.lanes[i];

		if (lane->course == RJ_LANE_ASKED && reply_ns &&
		    now_ns - lane->lost_ns > reply_ns)
			return rj_fail(err, -ETIMEDOUT,
				       "target: did not say within %llu ms "
				       "what it has of channel %u, which was "
				       "lost",
				       (unsigned long long)reply_ns / 1000000,
				       i);
		if (lane->lost_ns > last->lost_ns)
			last = lane;
	}
	if (how_many(out, RJ_LANE_WORKS) || now_ns < window_end_ns(out, last))
		return 0;
	return rj_fail(err, last->why.code,
		       "no channel is left, and none came back within %u ms: "
		       "%s",
		       out->session.reconnect_ms, last->why.message);
}

int rj_source_lost_look(struct rj_outgoing *out, struct ramjet_error *err)
{
	const uint64_t now_ns = rj_now_ns();
	const bool stalls = now_ns - out->losses.looked_ns >= LOOK_NS;
	int rc;

	/* None before the workers begin. */
	if (!out->losses.lanes || !out->lanes.counters ||
	    rj_course_state(&out->env) >= RAMJET_STATE_COMMITTED ||
	    rj_source_lost_are_through(out))
		return 0;
	if (stalls)
		out->losses.looked_ns = now_ns;
	rc = look_for_losses(out, stalls, err);
	if (rc)
		return rc;
	look_after_rejoin(out);
	return check_time(out, err);
}
