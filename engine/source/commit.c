/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The point of no return. The target has said READY; once COMMIT may have
 * left this process, the source never resumes by itself.
 */
#include <errno.h>

#include "engine/link/lane.h"
#include "engine/migration/last_words.h"
#include "engine/source/lanes.h"
#include "engine/source/outgoing.h"
#include "engine/source/pause_limit.h"
#include "util/clock.h"
#include "util/error.h"

/* A target may hash this much slower than we have predicted for ourselves
 * (decision 025). */
#define DIGESTS_FACTOR 4u

/* How long the peer may make no progress. While pages are still to be sent, not
 * longer than the stall timeout, as when the guest runs. */
static uint64_t patience_us(struct ramjet_migration *m)
{
	const struct ramjet_params params = rj_migration_params(m);
	const uint64_t reply_us = params.reply_timeout_ms * UINT64_C(1000);
	const uint64_t stall_us = params.stall_timeout_ms * UINT64_C(1000);

	if (stall_us && (!reply_us || stall_us < reply_us) &&
	    !rj_rounds_all_left(&m->out->pages.rounds))
		return stall_us;
	/* Before READY the target hashes its memory, too, which may take it
	 * longer than us. */
	return reply_us && !rj_talk_has(&m->out->session.talk, RJ_TALK_READY)
		       ? reply_us + DIGESTS_FACTOR * m->out->handover.digests_us
		       : reply_us;
}

/* Pump until `done`; the peer must make some progress within its time. */
int rj_source_await(struct ramjet_migration *m,
		    bool (*done)(struct rj_outgoing *), const char *what,
		    struct ramjet_error *err)
{
	uint64_t moved = 0, since_us = rj_now_us();
	int rc = 0;

	while (!rc && !done(m->out)) {
		const uint64_t timeout_us = patience_us(m);
		/* Workers tell their bytes a frame at a time, which may take
		 * long; the kernel knows better. */
		const struct rj_wire_now wire = rj_lanes_look(&m->out->lanes);
		const uint64_t now_moved =
			rj_lanes_sent(&m->out->lanes).wire_bytes + wire.acked +
			m->out->pages.applied;

		if (now_moved != moved || rj_wire_is_held_back(&wire))
			since_us = rj_now_us();
		moved = now_moved;
		if (ramjet_migration_state(m) < RAMJET_STATE_COMMITTED) {
			rc = rj_pause_check(&m->out->handover, &m->out->env,
					    what, err);
			if (rc)
				return rc;
		}
		if (timeout_us && rj_now_us() - since_us > timeout_us)
			return rj_fail(err, -ETIMEDOUT,
				       "switchover: no %s within %llu ms", what,
				       (unsigned long long)timeout_us / 1000);
		/* One way, nothing wakes us when bytes were taken: look
		 * often. */
		rc = rj_source_pump(m->out, m->out->session.one_way ? 1 : 100,
				    err);
		if (rj_migration_is_abandoned(m))
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
static int take_over_error(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct ramjet_error error;

	rj_hear_command(&m->out->lanes.senders[0].conn, &m->out->env);
	error = rj_migration_error(m);
	rj_lock(&m->lock);
	m->error = (struct ramjet_error){ 0 };
	rj_unlock(&m->lock);
	rj_error_clear(err);
	return rj_fail(err, error.code, "%s", error.message);
}

static int finish_one_way(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	struct rj_sender *s = &out->lanes.senders[0];
	int rc;

	rj_rounds_stop(&out->pages.rounds);
	rc = rj_source_await(m, is_stream_over, "end of the stream", err);
	/* End the worker's wait: the reader may have stopped reading. */
	if (rc && err->code)
		rj_migration_fail(m, err);
	rj_sender_join(s);
	if (rj_migration_error(m).code)
		return take_over_error(m, err);
	/* COMMIT alone: all else is there already. */
	rc = rj_conn_sync(&s->conn, 0, err);
	if (rc)
		return rc;
	return rj_conn_finish(&s->conn, rj_migration_reply_deadline(m),
			      m->wake_fd, err);
}

/* The whole stream is written, with COMMIT: give the file its name. */
static int publish(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_sender *s = &m->out->lanes.senders[0];

	rj_rounds_stop(&m->out->pages.rounds);
	rj_sender_join(s);
	return rj_conn_publish(&s->conn, err);
}

static int await_running(struct ramjet_migration *m, struct ramjet_error *err)
{
	/* From here on only the target's RUNNING counts, not what fails
	 * elsewhere. */
	m->out->session.link.wake_fd = -1;
	return rj_source_await(m, is_running, "RUNNING from the target", err);
}

int rj_source_say_commit(struct ramjet_migration *m, struct ramjet_error *err)
{
	const bool paused = rj_guest_settle_paused(m->guest);
	const struct rj_frame frame = {
		.type = RJ_FRAME_COMMIT,
		.flags = paused ? RJ_FLAG_PAUSED : 0,
		.payload_bytes = RJ_COMMIT_BYTES,
	};

	rj_talk_said(&m->out->session.talk, RJ_FRAME_COMMIT);
	return rj_link_send(&m->out->session.link, &frame,
			    m->out->session.commit_token,
			    rj_migration_reply_deadline(m), err);
}

static int hand_over(struct ramjet_migration *m, struct ramjet_error *err)
{
	const int rc = rj_source_say_commit(m, err);

	if (rc)
		return rc;
	return m->out->session.one_way ? finish_one_way(m, err)
				       : await_running(m, err);
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

static void record_end(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	const uint64_t now = rj_now_us();

	rj_lock(&m->lock);
	rj_statistics_predict(&m->stats, "resume",
			      out->forecast.pause.resume_us);
	rj_statistics_measure(&m->stats, "resume",
			      now - out->handover.term_began_us);
	m->stats.downtime_us = now - out->handover.pause_began_us;
	m->stats.known |= RAMJET_KNOWN_DOWNTIME;
	if (rj_talk_has(&out->session.talk, RJ_TALK_RUNNING)) {
		m->stats.guest_downtime_us = now - way_back_us(out, now) -
					     out->handover.pause_began_us;
		m->stats.known |= RAMJET_KNOWN_GUEST_DOWNTIME;
	}
	rj_unlock(&m->lock);
}

int rj_source_commit(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	int rc;

	/* One way, nothing but a cancel can end the wait for a command. */
	if (out->session.one_way)
		rj_migration_let_abandon(m);
	if (!rj_migration_set_state(m, RAMJET_STATE_COMMITTED))
		return -ECANCELED;
	rc = out->handover.commit_held_back ? publish(m, err)
					    : hand_over(m, err);
	record_end(m);
	if (rc)
		rj_error_prefix(err, "handed over, unconfirmed");
	return rc;
}
