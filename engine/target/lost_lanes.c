/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/target/lost_lanes.h"

#include <errno.h>
#include <string.h>

#include "engine/link/event.h"
#include "engine/link/refusal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/* Chosen: how often the source hears how far lanes are. Short beside what a lane
 * may take to be found dead, and few bytes. */
#define TAKEN_NS (100 * UINT64_C(1000000))
/* How many lanes may return in a second: all of them, once. Chosen: each costs a
 * thread and a ring. */
#define RETURNS_MAX RAMJET_CHANNELS_MAX
/* When no lane is left the source gives up first, which knows more: chosen. */
#define LONGER_MS 1000u

/* Bare connections can be broken, others need a descriptor to be stopped by. */
static bool have_others(const struct rj_incoming *in)
{
	for (unsigned i = 0; i < in->channel_count; i++)
		if (!rj_conn_is_bare(&in->receivers[i].conn))
			return true;
	return false;
}

int rj_lost_lanes_init(struct rj_incoming *in, struct ramjet_error *err)
{
	struct rj_lost_lanes *lost = &in->lost;

	lost->stop_fd = -1;
	if (have_others(in)) {
		lost->stop_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		if (lost->stop_fd < 0)
			return rj_fail_errno(err, -errno,
					     "lost lanes: eventfd");
	}
	for (unsigned i = 0; i < in->channel_count; i++) {
		in->receivers[i].may_be_lost = true;
		in->receivers[i].stop_fd = lost->stop_fd;
	}
	return 0;
}

void rj_lost_lanes_done(struct rj_lost_lanes *lost)
{
	if (lost->stop_fd > 0)
		rj_close_fd(&lost->stop_fd);
}

static bool is_over(struct rj_incoming *in)
{
	bool final;

	(void)rj_fences_applied(&in->fences, &final);
	return final;
}

static uint64_t frames_of(const struct rj_receiver *r)
{
	return atomic_load_explicit(&r->frames, memory_order_relaxed);
}

static int say(struct ramjet_migration *m, enum rj_frame_type type,
	       const void *body, size_t bytes, struct ramjet_error *err)
{
	const struct rj_frame frame = {
		.type = (uint8_t)type,
		.payload_bytes = (uint32_t)bytes,
	};

	return rj_link_send(&m->in->link, &frame, body,
			    rj_migration_reply_deadline(m), err);
}

/* ---- lanes that go ------------------------------------------------------ */

static int say_lost(struct ramjet_migration *m, unsigned i, bool finished,
		    struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_lost_lane *lane = &in->lost.lanes[i];
	const struct rj_lost lost = {
		.lane = (uint16_t)i,
		.finished = finished,
		.epoch = lane->epoch,
		.frames = frames_of(&in->receivers[i]),
	};
	uint8_t body[RJ_LOST_BYTES];

	lane->state = finished ? RJ_LOST_LANE_FINISHED : RJ_LOST_LANE_TOLD;
	rj_lost_encode(&lost, body);
	return say(m, RJ_FRAME_LOST, body, sizeof(body), err);
}

static void note_loss(struct ramjet_migration *m, unsigned i)
{
	struct ramjet_error *last = &m->in->lost.last;

	*last = m->in->receivers[i].end;
	/* It was stopped. */
	if (last->code == -ECANCELED) {
		rj_error_clear(last);
		(void)rj_fail(last, -ENOTCONN, "channel %u: the source says so",
			      i);
	}
	rj_lock(&m->lock);
	m->stats.lanes_lost++;
	rj_unlock(&m->lock);
	rj_log(&m->log, RJ_LOG_WARNING, "a channel is lost: %s", last->message);
}

/* End what is left of the lane, and tell the source. */
static int lose(struct ramjet_migration *m, unsigned i,
		struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_receiver *r = &in->receivers[i];
	bool finished;

	rj_receiver_stop(r);
	rj_fences_leave(&in->fences, i);
	rj_receiver_join(r);
	/* It may have found something that is worse. */
	if (rj_migration_error(m).code)
		return -ECANCELED;
	(void)rj_conn_close(&r->conn, 0, NULL);
	finished = !rj_fences_lose(&in->fences, i);
	if (!finished)
		note_loss(m, i);
	return say_lost(m, i, finished, err);
}

static bool has_failed(const struct rj_incoming *in, unsigned i)
{
	/* pairs with the release in give_up() of engine/receive/receiver.c */
	return in->lost.lanes[i].state == RJ_LOST_LANE_UP &&
	       atomic_load_explicit(&in->receivers[i].ended,
				    memory_order_acquire);
}

int rj_lost_lanes_take_lost(struct ramjet_migration *m,
			    struct rj_message *message,
			    struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	const struct rj_lost_lane *lane;
	struct rj_lost lost;
	int rc = rj_lost_decode(message->payload, message->frame.payload_bytes,
				in->channel_count, &lost, err);

	if (rc)
		return rc;
	lane = &in->lost.lanes[lost.lane];
	if (lost.frames || lost.finished)
		return rj_fail(err, -EPROTO,
			       "LOST: the source names frames, which only the "
			       "target knows");
	if (lost.epoch > lane->epoch)
		return rj_fail(err, -EPROTO,
			       "LOST: channel %u in epoch %u, it is in %u",
			       lost.lane, lost.epoch, lane->epoch);
	/* Said already, of this epoch or after an earlier one. */
	if (lost.epoch < lane->epoch || lane->state != RJ_LOST_LANE_UP)
		return 0;
	return lose(m, lost.lane, err);
}

int rj_lost_lanes_take_back(struct ramjet_migration *m,
			    struct rj_message *message,
			    struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_lane_round back;
	struct rj_lost_lane *lane;
	int rc = rj_lane_round_decode(RJ_FRAME_BACK, message->payload,
				      message->frame.payload_bytes,
				      in->channel_count, &back, err);

	if (rc)
		return rc;
	lane = &in->lost.lanes[back.lane];
	if (lane->state != RJ_LOST_LANE_TOLD || back.epoch != lane->epoch)
		return rj_fail(err, -EPROTO,
			       "BACK: channel %u in epoch %u, of which no "
			       "LOST waits for an answer",
			       back.lane, back.epoch);
	lane->state = RJ_LOST_LANE_OUT;
	return rj_fences_settle(&in->fences, back.round, err);
}

/* ---- lanes that return -------------------------------------------------- */

/* So that a source that has nothing better to do costs little. */
static bool is_too_soon(struct rj_lost_lanes *lost)
{
	const uint64_t now_ns = rj_now_ns();

	if (now_ns - lost->second_ns >= UINT64_C(1000000000)) {
		lost->second_ns = now_ns;
		lost->returns = 0;
	}
	return lost->returns++ >= RETURNS_MAX;
}

static int check_return(struct rj_incoming *in, unsigned i,
			const struct rj_hello *hello, struct ramjet_error *err)
{
	const struct rj_lost_lane *lane = &in->lost.lanes[i];

	if (lane->state != RJ_LOST_LANE_OUT || is_over(in))
		return rj_fail(err, -EPROTO,
			       "session: channel %u returns, and is not lost",
			       i);
	if (hello->epoch - 1 != lane->epoch)
		return rj_fail(err, -EPROTO,
			       "session: channel %u returns in epoch %u, "
			       "wanted the one after %u",
			       i, hello->epoch, lane->epoch);
	if (is_too_soon(&in->lost))
		return rj_fail(err, -EBUSY,
			       "session: more than %u channels return in a "
			       "second",
			       RETURNS_MAX);
	return 0;
}

static int say_joined(struct ramjet_migration *m, unsigned i, uint32_t round,
		      struct ramjet_error *err)
{
	const struct rj_lane_round joined = {
		.lane = (uint16_t)i,
		.epoch = m->in->lost.lanes[i].epoch,
		.round = round,
	};
	uint8_t body[RJ_LANE_ROUND_BYTES];

	rj_lane_round_encode(&joined, body);
	return say(m, RJ_FRAME_JOINED, body, sizeof(body), err);
}

static int welcome(struct ramjet_migration *m, unsigned i,
		   struct rj_visitor *visitor, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_lost_lane *lane = &in->lost.lanes[i];
	uint32_t round = 0;
	int rc = rj_fences_join(&in->fences, i, &round);

	if (rc) {
		(void)rj_conn_close(&visitor->conn, 0, NULL);
		return rj_fail_errno(err, rc, "channel %u", i);
	}
	lane->state = RJ_LOST_LANE_UP;
	lane->epoch = visitor->hello.epoch;
	in->lost.none_since_ns = 0;
	rc = rj_receiver_renew(&in->receivers[i], &visitor->conn, round, err);
	if (rc)
		return rc;
	atomic_store_explicit(&m->counters[i].epoch, lane->epoch,
			      memory_order_relaxed);
	rj_lock(&m->lock);
	m->stats.lanes_rejoined++;
	rj_unlock(&m->lock);
	rj_log(&m->log, RJ_LOG_INFO, "channel %u is back, in epoch %u", i,
	       lane->epoch);
	return say_joined(m, i, round, err);
}

/* BACK may come behind the connection that returns after it: until then it
 * waits in its place. */
static int receive_visitors(struct ramjet_migration *m,
			    struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_visitor visitor;
	int rc = 0;

	for (unsigned i = 0; !rc && i < in->channel_count; i++) {
		if (in->lost.lanes[i].state == RJ_LOST_LANE_TOLD ||
		    !rj_door_take(&in->door, i, &visitor))
			continue;
		if (check_return(in, i, &visitor.hello, &visitor.why))
			rj_refuse(&visitor.conn, &visitor.why, &m->log);
		else
			rc = welcome(m, i, &visitor, err);
	}
	return rc;
}

/* ---- how far lanes are -------------------------------------------------- */

static bool has_changed(const struct rj_taken *a, const struct rj_taken *b)
{
	return a->epoch != b->epoch || a->waits != b->waits ||
	       a->frames != b->frames;
}

static int say_taken(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_taken *told = in->lost.told;
	const uint64_t now_ns = rj_now_ns();
	uint8_t body[RAMJET_CHANNELS_MAX * RJ_TAKEN_BYTES];
	bool changed = false;

	if (now_ns - in->lost.told_ns < TAKEN_NS)
		return 0;
	for (unsigned i = 0; i < in->channel_count; i++) {
		const struct rj_taken now = {
			.epoch = in->lost.lanes[i].epoch,
			.waits = rj_fences_waits(&in->fences, i),
			.frames = frames_of(&in->receivers[i]),
		};

		changed |= has_changed(&told[i], &now);
		told[i] = now;
	}
	if (!changed)
		return 0;
	in->lost.told_ns = now_ns;
	rj_taken_encode(told, in->channel_count, body);
	return say(m, RJ_FRAME_TAKEN, body,
		   (size_t)in->channel_count * RJ_TAKEN_BYTES, err);
}

/* ------------------------------------------------------------------------- */

static int check_some_left(struct rj_incoming *in, struct ramjet_error *err)
{
	const uint64_t patience_ns =
		((uint64_t)in->reconnect_ms + LONGER_MS) * 1000000;
	const uint64_t now_ns = rj_now_ns();

	if (rj_fences_present(&in->fences))
		return 0;
	if (!in->lost.none_since_ns)
		in->lost.none_since_ns = now_ns;
	if (now_ns - in->lost.none_since_ns < patience_ns)
		return 0;
	return rj_fail(err, -ETIMEDOUT,
		       "all channels are lost, and none has returned within "
		       "%u ms: %s",
		       in->reconnect_ms, in->lost.last.message);
}

int rj_lost_lanes_look(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	int rc = 0;

	if (!in->lanes_may_be_lost)
		return 0;
	for (unsigned i = 0; !rc && i < in->channel_count; i++)
		if (has_failed(in, i))
			rc = lose(m, i, err);
	if (!rc && rj_door_has_visitors(&in->door))
		rc = receive_visitors(m, err);
	if (!rc)
		rc = check_some_left(in, err);
	/* Nothing more is taken after the final round. */
	return rc || is_over(in) ? rc : say_taken(m, err);
}
