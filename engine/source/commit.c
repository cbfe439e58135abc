/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/commit.h"

#include <errno.h>

#include "engine/link/lane.h"
#include "engine/migration/course.h"
#include "engine/migration/last_words.h"
#include "engine/source/lanes.h"
#include "engine/source/pause_limit.h"
#include "engine/source/pump.h"
#include "util/clock.h"
#include "util/error.h"

/* A target may hash this much slower than we have predicted for ourselves
 * (decision 025). */
#define DIGESTS_FACTOR 4u

/* How long the peer may make no progress. While pages are still to be sent, not
 * longer than the stall timeout, as when the guest runs. */
static uint64_t patience_us(struct rj_outgoing *out)
{
	const struct ramjet_params params = rj_env_params(&out->env);
	const uint64_t reply_us = params.reply_timeout_ms * UINT64_C(1000);
	const uint64_t stall_us = params.stall_timeout_ms * UINT64_C(1000);

	if (stall_us && (!reply_us || stall_us < reply_us) &&
	    !rj_rounds_all_left(&out->pages.rounds))
		return stall_us;
	/* Before READY the target hashes its memory, too, which may take it
	 * longer than us. */
	return reply_us && !rj_talk_has(&out->session.talk, RJ_TALK_READY)
		       ? reply_us + DIGESTS_FACTOR * out->handover.digests_us
		       : reply_us;
}

/* Pump until `done`; the peer must make some progress within its time. */
int rj_source_await(struct rj_outgoing *out, bool (*done)(struct rj_outgoing *),
		    const char *what, struct ramjet_error *err)
{
	uint64_t moved = 0, since_us = rj_now_us();
	int rc = 0;

	while (!rc && !done(out)) {
		const uint64_t timeout_us = patience_us(out);
		/* Workers tell their bytes a frame at a time, which may take
		 * long; the kernel knows better. */
		const struct rj_wire_now wire = rj_lanes_look(&out->lanes);
		const uint64_t now_moved =
			rj_lanes_sent(&out->lanes).wire_bytes + wire.acked +
			out->pages.applied;

		if (now_moved != moved || rj_wire_is_held_back(&wire))
			since_us = rj_now_us();
		moved = now_moved;
		if (rj_course_state(&out->env) < RAMJET_STATE_COMMITTED) {
			rc = rj_pause_check(&out->handover, &out->env, what,
					    err);
			if (rc)
				return rc;
		}
		if (timeout_us && rj_now_us() - since_us > timeout_us)
			return rj_fail(err, -ETIMEDOUT,
				       "switchover: no %s within %llu ms", what,
				       (unsigned long long)timeout_us / 1000);
		/* One way, nothing wakes us when bytes were taken: look
		 * often. */
		rc = rj_source_pump(out, out->session.one_way ? 1 : 100, err);
		if (rj_course_is_abandoned(&out->env))
			return -ECANCELED;
	}
	return rc;
}

static bool is_running(struct rj_outgoing *out)
{
	return rj_talk_has(&out->session.talk, RJ_TALK_RUNNING);
}

static bool is_stream_over(struct rj_outgoing *out)
{
	return rj_lane_is_over(
		rj_lane_state(&out->lanes.senders[0].counters->state));
}

/* The worker's error becomes this call's error, so that it is reported as
 * unconfirmed. */
static int take_over_error(struct rj_outgoing *out, struct ramjet_error *err)
{
	struct ramjet_error error;

	rj_hear_command(&out->lanes.senders[0].conn, &out->env);
	error = rj_course_take_error(&out->env);
	rj_error_clear(err);
	return rj_fail(err, error.code, "%s", error.message);
}

static int finish_one_way(struct rj_outgoing *out, struct ramjet_error *err)
{
	struct rj_sender *s = &out->lanes.senders[0];
	int rc;

	rj_rounds_stop(&out->pages.rounds);
	rc = rj_source_await(out, is_stream_over, "end of the stream", err);
	/* End the worker's wait: the reader may have stopped reading. */
	if (rc && err->code)
		rj_env_fail(&out->env, err);
	rj_sender_join(s);
	if (rj_course_error(&out->env).code)
		return take_over_error(out, err);
	/* COMMIT alone: all else is there already. */
	rc = rj_conn_sync(&s->conn, 0, err);
	if (rc)
		return rc;
	return rj_conn_finish(&s->conn, rj_env_reply_deadline(&out->env),
			      out->env.wake_fd, err);
}

/* The whole stream is written, with COMMIT: give the file its name. */
static int publish(struct rj_outgoing *out, struct ramjet_error *err)
{
	struct rj_sender *s = &out->lanes.senders[0];

	rj_rounds_stop(&out->pages.rounds);
	rj_sender_join(s);
	return rj_conn_publish(&s->conn, err);
}

static int await_running(struct rj_outgoing *out, struct ramjet_error *err)
{
	/* From here on only the target's RUNNING counts, not what fails
	 * elsewhere. */
	out->session.link.wake_fd = -1;
	return rj_source_await(out, is_running, "RUNNING from the target", err);
}

int rj_source_say_commit(struct rj_outgoing *out, struct ramjet_error *err)
{
	const bool paused = rj_guest_settle_paused(out->vmm.guest);
	const struct rj_frame frame = {
		.type = RJ_FRAME_COMMIT,
		.flags = paused ? RJ_FLAG_PAUSED : 0,
		.payload_bytes = RJ_COMMIT_BYTES,
	};

	rj_talk_said(&out->session.talk, RJ_FRAME_COMMIT);
	return rj_link_send(&out->session.link, &frame,
			    out->session.commit_token,
			    rj_env_reply_deadline(&out->env), err);
}

static int hand_over(struct rj_outgoing *out, struct ramjet_error *err)
{
	const int rc = rj_source_say_commit(out, err);

	if (rc)
		return rc;
	return out->session.one_way ? finish_one_way(out, err)
				    : await_running(out, err);
}

/* How long RUNNING was on its way: half of the time since READY, less what the
 * target's start took. */
static uint64_t way_back_us(const struct rj_outgoing *out, uint64_t now_us)
{
	const uint64_t us = now_us - out->handover.term_began_us;

	return us > out->session.running_says.start_us
		       ? (us - out->session.running_says.start_us) / 2
		       : 0;
}

static void record_end(struct rj_outgoing *out)
{
	const uint64_t now = rj_now_us();
	struct rj_statistics *stats = out->env.stats;

	rj_lock(out->env.lock);
	rj_statistics_predict(stats, "resume", out->forecast.pause.resume_us);
	rj_statistics_measure(stats, "resume",
			      now - out->handover.term_began_us);
	stats->downtime_us = now - out->handover.pause_began_us;
	stats->known |= RAMJET_KNOWN_DOWNTIME;
	if (rj_talk_has(&out->session.talk, RJ_TALK_RUNNING)) {
		stats->guest_downtime_us = now - way_back_us(out, now) -
					   out->handover.pause_began_us;
		stats->known |= RAMJET_KNOWN_GUEST_DOWNTIME;
	}
	rj_unlock(out->env.lock);
}

static bool is_linked(struct rj_outgoing *out)
{
	return !rj_link_is_lost(&out->session.link);
}

int rj_source_commit(struct rj_outgoing *out, struct ramjet_error *err)
{
	/* As long as nobody can be told, the guest may run on here. */
	int rc = rj_source_await(out, is_linked, "control link", err);

	if (rc)
		return rc;
	/* One way, nothing but a cancel can end the wait for a command. */
	if (out->session.one_way)
		rj_course_let_abandon(&out->env);
	if (!rj_course_enter(&out->env, RAMJET_STATE_COMMITTED))
		return -ECANCELED;
	rc = out->handover.commit_held_back ? publish(out, err)
					    : hand_over(out, err);
	record_end(out);
	if (rc)
		rj_error_prefix(err, "handed over, unconfirmed");
	return rc;
}
