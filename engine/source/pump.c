/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/pump.h"

#include <errno.h>
#include <poll.h>

#include "engine/link/event.h"
#include "engine/migration/course.h"
#include "engine/migration/last_words.h"
#include "engine/source/keeps.h"
#include "engine/source/lost_lanes.h"
#include "engine/source/offer.h"
#include "engine/wire/bytes.h"
#include "util/clock.h"
#include "util/error.h"

/* By all lanes that are not lost. */
static bool is_fence_sent(const struct rj_source_lanes *lanes,
			  struct rj_rounds *rounds, uint32_t round)
{
	/* None before the workers begin. */
	if (!lanes->counters)
		return false;
	for (unsigned i = 0; i < lanes->channel_count; i++)
		if (rj_rounds_counts(rounds, i) &&
		    atomic_load_explicit(&lanes->counters[i].fences,
					 memory_order_acquire) <= round)
			return false;
	return true;
}

/* Take one message of the target's. */
typedef int take_fn(struct rj_outgoing *out, struct rj_message *message,
		    struct ramjet_error *err);

/* ---- what the target says; whether it may, rj_talk_check() has judged ---- */

static int take_accept(struct rj_outgoing *out, struct rj_message *message,
		       struct ramjet_error *err)
{
	out->session.link.answers = true;
	return rj_accept_decode(message->payload, message->frame.payload_bytes,
				(uint16_t)out->lanes.plan.opened,
				&out->session.accepted_channels, err);
}

static int take_takes(struct rj_outgoing *out, struct rj_message *message,
		      struct ramjet_error *err)
{
	return rj_offer_answered(&out->session, message, err);
}

static int take_applied(struct rj_outgoing *out, struct rj_message *message,
			struct ramjet_error *err)
{
	const uint32_t round = message->frame.round;

	if (round != out->pages.applied || round > out->pages.round)
		return rj_fail(err, -EPROTO,
			       "round %u reported as applied, wanted round %u, "
			       "of %u sent",
			       round, out->pages.applied, out->pages.round + 1);
	if (!is_fence_sent(&out->lanes, &out->pages.rounds, round))
		return rj_fail(err, -EPROTO,
			       "round %u reported as applied before its fences "
			       "were sent",
			       round);
	out->pages.applied++;
	return 0;
}

static int take_ready(struct rj_outgoing *out, struct rj_message *message,
		      struct ramjet_error *err)
{
	return rj_ready_decode(message->payload, message->frame.payload_bytes,
			       &out->session.ready_says, err);
}

static int take_running(struct rj_outgoing *out, struct rj_message *message,
			struct ramjet_error *err)
{
	int rc = rj_running_decode(message->payload,
				   message->frame.payload_bytes,
				   &out->session.running_says, err);

	if (rc)
		return rc;
	/* A RUNNING without the token may have been sent before COMMIT
	 * arrived. */
	if (out->session.running_says.token !=
	    rj_get64(out->session.commit_token))
		return rj_fail(
			err, -EPROTO,
			"RUNNING: token 0x%016llx, wanted the one that "
			"COMMIT names: the target has not read it",
			(unsigned long long)out->session.running_says.token);
	return 0;
}

static int take_keeps(struct rj_outgoing *out, struct rj_message *message,
		      struct ramjet_error *err)
{
	return rj_source_take_keeps(&out->session, message, err);
}

static int take_end(struct rj_outgoing *out, struct rj_message *message,
		    struct ramjet_error *err)
{
	return rj_take_last_words(&out->env, message, "target", err);
}

static int take_message(struct rj_outgoing *out, struct rj_message *message,
			struct ramjet_error *err)
{
	static take_fn *const takes[] = {
		[RJ_FRAME_TAKES] = take_takes,
		[RJ_FRAME_KEEPS] = take_keeps,
		[RJ_FRAME_ACCEPT] = take_accept,
		[RJ_FRAME_APPLIED] = take_applied,
		[RJ_FRAME_READY] = take_ready,
		[RJ_FRAME_RUNNING] = take_running,
		[RJ_FRAME_LOST] = rj_source_lost_take_lost,
		[RJ_FRAME_JOINED] = rj_source_lost_take_joined,
		[RJ_FRAME_TAKEN] = rj_source_lost_take_taken,
		[RJ_FRAME_FAILED] = take_end,
		[RJ_FRAME_CANCEL] = take_end,
	};
	struct rj_talk *talk = &out->session.talk;
	int rc = rj_talk_check(talk, RJ_TALK_TARGET, &message->frame, err);

	if (!rc)
		rc = takes[message->frame.type](out, message, err);
	if (!rc)
		rj_talk_move(talk, &message->frame);
	return rc;
}

static int take_messages(struct rj_outgoing *out, struct ramjet_error *err)
{
	struct rj_message message;
	int rc = 0;

	/* After RUNNING the target may close: that is no failure. */
	while (!rj_talk_has(&out->session.talk, RJ_TALK_RUNNING) &&
	       (rc = rj_link_poll(&out->session.link, &message, err)) > 0) {
		rc = take_message(out, &message, err);
		if (rc && message.frame.type != RJ_FRAME_FAILED &&
		    message.frame.type != RJ_FRAME_CANCEL)
			rj_link_blame(&message, err);
		rj_message_done(&message);
		if (rc)
			return rc;
	}
	return rc;
}

static int check_total_time(struct rj_outgoing *out, struct ramjet_error *err)
{
	const uint64_t limit_us =
		rj_env_params(&out->env).total_timeout_ms * UINT64_C(1000);

	if (!limit_us || rj_talk_has(&out->session.talk, RJ_TALK_RUNNING) ||
	    rj_course_state(&out->env) >= RAMJET_STATE_COMMITTED ||
	    rj_now_us() - out->env.stats->started_us < limit_us)
		return 0;
	return rj_fail(err, -ETIMEDOUT,
		       "not handed over within the %llu ms allowed",
		       (unsigned long long)limit_us / 1000);
}

int rj_source_pump(struct rj_outgoing *out, int timeout_ms,
		   struct ramjet_error *err)
{
	struct pollfd fds[3] = {
		{ .fd = out->env.event_fd, .events = POLLIN },
		{ .fd = -1 },
		{ .fd = out->session.link.wake_fd, .events = POLLIN },
	};
	int rc = 0;

	if (!out->session.one_way)
		fds[1] = rj_link_pollfd(&out->session.link, &timeout_ms);
	if (poll(fds, 3, timeout_ms) < 0 && errno != EINTR)
		return rj_fail_errno(err, -errno, "control thread: poll");
	rj_event_clear(out->env.event_fd);
	/* Only a bare descriptor tells for sure. */
	if (out->session.link.inbox || fds[1].revents ||
	    (!out->session.one_way &&
	     !rj_conn_is_bare(&out->session.link.conn)))
		rc = take_messages(out, err);
	if (rc)
		return rc;
	if (fds[2].revents)
		return -ECANCELED;
	rc = rj_source_lost_look(out, err);
	return rc ? rc : check_total_time(out, err);
}

int rj_source_await_accept(struct rj_outgoing *out, struct ramjet_error *err)
{
	const uint64_t timeout_ns =
		rj_env_params(&out->env).reply_timeout_ms * UINT64_C(1000000);
	const uint64_t began_ns = rj_now_ns();
	int rc = 0;

	out->session.talk.one_way = out->session.one_way;
	out->forecast.one_way = out->session.one_way;
	if (out->session.one_way)
		rj_talk_said(&out->session.talk, RJ_FRAME_ACCEPT);
	while (!rc && !rj_talk_has(&out->session.talk, RJ_TALK_ROUNDS)) {
		if (timeout_ns && rj_now_ns() - began_ns > timeout_ns)
			return rj_fail(
				err, -ETIMEDOUT,
				"target: did not accept the session "
				"within %llu ms",
				(unsigned long long)(timeout_ns / 1000000));
		rc = rj_source_pump(out, 100, err);
	}
	return rc;
}
