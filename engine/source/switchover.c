/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/switchover.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/migration/callback.h"
#include "engine/migration/course.h"
#include "engine/page/digest.h"
#include "engine/source/channels.h"
#include "engine/source/collect.h"
#include "engine/source/commit.h"
#include "engine/source/device_state.h"
#include "engine/source/helpers.h"
#include "engine/source/lanes.h"
#include "engine/source/lost_lanes.h"
#include "engine/source/memory.h"
#include "engine/source/pause_limit.h"
#include "engine/source/predict.h"
#include "engine/source/pump.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/* A pause found to become longer than this share of the limit is called off.
 * Chosen: calling off costs a pause for nothing and more rounds; so what is only
 * a little too long is taken. */
#define CALL_OFF_SHARE 1.5

static void measure(struct rj_outgoing *out, const char *term,
		    uint64_t predicted_us)
{
	const uint64_t now = rj_now_us();

	rj_lock(out->env.lock);
	rj_statistics_predict(out->env.stats, term, predicted_us);
	rj_statistics_measure(out->env.stats, term,
			      now - out->handover.term_began_us);
	rj_unlock(out->env.lock);
	out->handover.term_us = now - out->handover.term_began_us;
	out->handover.term_began_us = now;
}

/* What this guest's own calls take, for the next try. */
static void learn(struct ramjet_guest *guest, struct rj_state_cost *cost,
		  uint64_t us)
{
	rj_lock(&guest->lock);
	rj_state_cost_learn(cost, us);
	rj_unlock(&guest->lock);
}

static int check_blockers(struct ramjet_guest *guest, struct ramjet_error *err)
{
	int rc;

	rj_lock(&guest->lock);
	rc = rj_blockers_check(&guest->blockers, err);
	rj_unlock(&guest->lock);
	return rc;
}

static int stop_guest(struct rj_outgoing *out, struct ramjet_error *err)
{
	int rc;

	out->handover.pause_began_us = out->handover.term_began_us =
		rj_now_us();
	out->handover.hashed_us = 0;
	/* Set before the call: after a stop that failed, start is called,
	 * too. */
	out->handover.guest_stopped = true;
	rc = rj_call_stop(&out->vmm, err);
	if (rc)
		return rc;
	measure(out, "stop", out->forecast.pause.stop_us);
	rj_estimate_stopped(&out->forecast.estimate, out->handover.term_us);
	learn(out->vmm.guest, &out->vmm.guest->costs.stop,
	      out->handover.term_us);
	return 0;
}

/* The dirt is known now: would the rest still take far too long? */
static bool overshoots(struct rj_outgoing *out)
{
	struct rj_pause_inputs inputs = rj_predict_inputs(
		&out->forecast, &out->lanes, &out->pages, &out->env);
	const double limit_us = CALL_OFF_SHARE *
				(double)atomic_load(out->env.downtime_limit_us);
	struct rj_pause pause;

	if (out->handover.forced)
		return false;
	inputs.stopped = true;
	rj_estimate_pause(&out->forecast.estimate, &inputs, &pause);
	/* An idle guest has written after all, and the capacity is not known
	 * yet: call off, since one more round will measure it. */
	if (!pause.known)
		return true;
	return (double)pause.p50_us - (double)pause.stop_us -
		       (double)pause.sync_us +
		       (double)(rj_now_us() - out->handover.pause_began_us) >
	       limit_us;
}

static int last_sync(struct rj_outgoing *out, bool *ret_overshoots,
		     struct ramjet_error *err)
{
	const uint64_t before_us = out->pages.synced_us;
	uint64_t pages = 0;
	int rc = rj_collect(&out->pages, &out->forecast.estimate, true,
			    &out->env, &pages, err);

	if (rc)
		return rc;
	rj_estimate_surprised(&out->forecast.estimate, pages,
			      out->pages.synced_us - before_us);
	*ret_overshoots = overshoots(out);
	if (*ret_overshoots)
		return 0;
	rj_source_channels_settle(&out->lanes, &out->pages.rounds);
	out->pages.round = rj_rounds_open(&out->pages.rounds, false);
	measure(out, "last sync", out->forecast.pause.sync_us);
	return 0;
}

static struct rj_state_out state_out(struct rj_outgoing *out)
{
	return (struct rj_state_out){
		.link = &out->session.link,
		.handover = &out->handover,
		.env = &out->env,
	};
}

static int device_state(struct rj_outgoing *out, struct ramjet_error *err)
{
	const struct rj_state_out to = state_out(out);
	int rc;

	if (!rj_device_state_exists(out->vmm.guest))
		return 0;
	rc = rj_device_state_send(&out->vmm, &to, err);
	if (rc)
		return rc;
	measure(out, "device state", out->forecast.pause.device_us);
	learn(out->vmm.guest, &out->vmm.guest->costs.save,
	      out->handover.term_us);
	return 0;
}

static int gather_helpers(struct rj_outgoing *out, struct ramjet_error *err)
{
	const struct rj_state_out to = state_out(out);
	int rc;

	if (!out->helpers)
		return 0;
	rc = rj_source_finish_helpers(out, &to, err);
	measure(out, "helpers", out->forecast.pause.helpers_us);
	return rc;
}

/* What the target says meanwhile: that it gives up, perhaps. */
static int look_meanwhile(void *user, struct ramjet_error *err)
{
	return rj_source_pump(user, 0, err);
}

static int hash(struct rj_outgoing *out, struct rj_block_digest *digests,
		enum rj_digest_of of, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = out->vmm.guest;
	const struct rj_digest_ask ask = {
		.blocks = guest->blocks,
		.block_count = guest->block_count,
		.threads = out->lanes.plan.cpus.cpus,
		.wake_fd = out->env.wake_fd,
		.look = look_meanwhile,
		.user = out,
	};

	for (unsigned i = 0; i < guest->block_count; i++)
		digests[i].of = out->pages.lazy[i] ? RJ_DIGEST_OF_ALL : of;
	return rj_digest_blocks(&ask, digests, err);
}

static int send_digests(struct rj_outgoing *out, struct ramjet_error *err)
{
	const unsigned count = out->vmm.guest->block_count;
	const size_t parts_bytes = (size_t)count * RJ_DIGEST_PARTS_BYTES;
	const struct rj_frame frame = {
		.type = RJ_FRAME_DIGESTS,
		.aux = rj_memory_digest_of(&out->env),
		.payload_bytes = count * RJ_DIGEST_BYTES,
	};
	const struct rj_state_out to = state_out(out);
	const uint64_t began_us = rj_now_us();
	rj_autofree struct rj_block_digest *digests =
		calloc(count, sizeof(*digests));
	rj_autofree uint8_t *body = malloc(frame.payload_bytes);
	rj_autofree uint8_t *where = malloc(parts_bytes);
	int rc;

	if (!digests || !body || !where)
		return rj_fail(err, -ENOMEM, "digests: out of memory");
	rc = hash(out, digests, frame.aux, err);
	for (unsigned i = 0; !rc && i < count; i++) {
		rj_digest_encode(&digests[i].whole,
				 body + (size_t)i * RJ_DIGEST_BYTES);
		rj_digest_parts_encode(&digests[i].parts,
				       where + (size_t)i *
						       RJ_DIGEST_PARTS_BYTES);
	}
	out->handover.hashed_us = rj_now_us() - began_us;
	if (!rc)
		rc = rj_state_out_send(&to, RJ_STATE_PARTS, where, parts_bytes,
				       err);
	if (!rc)
		rc = rj_link_send(
			&out->session.link, &frame, body,
			rj_pause_deadline_ns(&out->handover, &out->env), err);
	if (out->session.one_way) {
		rj_env_path(&out->env, "verify", "in the stream",
			    "one way: the reader of the stream compares, "
			    "and cannot say so here");
	}
	measure(out, "digests", out->handover.digests_us);
	return rc;
}

/* Not while nobody knows what is missing of a lost lane's. */
static bool can_end(struct rj_outgoing *out)
{
	return rj_rounds_can_fill(&out->pages.rounds) && !out->losses.asked;
}

/*
 * All of the VMM's own work is done. What it, or I/O that ended meanwhile,
 * marked since the last sync (ramjet_guest_mark()) makes the final round,
 * which is empty otherwise. Pages of lanes that are lost from then on make another
 * one.
 */
static int last_round(struct rj_outgoing *out, struct ramjet_error *err)
{
	int rc = rj_source_await(out, can_end, "progress of the last pages",
				 err);

	if (rc)
		return rc;
	(void)rj_rounds_sink(&out->pages.rounds);
	out->pages.round = out->handover.final_round =
		rj_rounds_open(&out->pages.rounds, true);
	out->handover.last_opened = true;
	out->losses.another_round = false;
	return 0;
}

static int announce_end(struct rj_outgoing *out, struct ramjet_error *err)
{
	struct rj_frame frame = { .type = RJ_FRAME_SWITCHOVER };
	int rc = out->losses.another_round ? last_round(out, err) : 0;

	if (rc)
		return rc;
	frame.round = out->handover.final_round;

	rj_talk_said(&out->session.talk, RJ_FRAME_SWITCHOVER);
	rc = rj_link_send(&out->session.link, &frame, NULL,
			  rj_pause_deadline_ns(&out->handover, &out->env), err);
	/* The file has no name yet: so COMMIT can be written now, and the whole
	 * stream be checked, while the guest may still run on here. */
	if (!rc && out->session.one_way &&
	    rj_conn_is_held_back(&out->lanes.senders[0].conn)) {
		rc = rj_source_say_commit(out, err);
		out->handover.commit_held_back = true;
	}
	return rc;
}

/* All final fences are sent, and, unless one way, the target has reported the
 * final round as applied; nothing of a lost lane's is unknown, or still to be
 * sent. */
static bool pages_are_through(struct rj_outgoing *out)
{
	if ((out->session.one_way || !out->losses.lanes) &&
	    !rj_rounds_all_left(&out->pages.rounds))
		return false;
	if (out->session.one_way)
		return true;
	return rj_source_lost_are_through(out) && !out->losses.asked;
}

static bool are_through_or_not_the_last(struct rj_outgoing *out)
{
	return pages_are_through(out) || out->losses.another_round;
}

/* One way, the stream must have been taken as far as it goes: that a disk is
 * full must not be found out after the COMMIT. */
static bool is_taken(const struct rj_outgoing *out)
{
	const struct rj_counters *c = out->lanes.senders[0].counters;

	return !atomic_load_explicit(&c->mailing, memory_order_relaxed) &&
	       rj_counter(&c->wire_bytes) >= rj_counter(&c->launched_bytes);
}

static bool is_ready(struct rj_outgoing *out)
{
	if (!out->session.one_way)
		return rj_talk_has(&out->session.talk, RJ_TALK_READY);
	return rj_mailbox_is_empty(&out->session.outbox) && is_taken(out);
}

/* The target says what of the wait for READY was its load_state: a term of its
 * own, and to be expected the next time. */
static void take_load(struct rj_outgoing *out)
{
	const uint64_t said_us = out->session.ready_says.load_us +
				 out->session.ready_says.helpers_us;
	const uint64_t load_us = said_us < out->handover.term_us
					 ? said_us
					 : out->handover.term_us;

	if (out->session.one_way)
		return;
	learn(out->vmm.guest, &out->vmm.guest->costs.load, load_us);
	rj_lock(out->env.lock);
	rj_statistics_measure(out->env.stats, "target",
			      out->handover.term_us - load_us);
	rj_statistics_predict(out->env.stats, "load",
			      out->forecast.pause.load_us);
	rj_statistics_measure(out->env.stats, "load", load_us);
	rj_unlock(out->env.lock);
}

static int await_pages(struct rj_outgoing *out, struct ramjet_error *err)
{
	int rc = 0;

	while (!rc && !pages_are_through(out)) {
		rc = rj_source_await(out, are_through_or_not_the_last,
				     "progress of the last pages", err);
		if (!rc && out->losses.another_round)
			rc = announce_end(out, err);
	}
	return rc;
}

static int await_target(struct rj_outgoing *out, bool verify,
			struct ramjet_error *err)
{
	int rc = await_pages(out, err);

	if (rc)
		return rc;
	measure(out, "pages", out->forecast.pause.pages_us);
	rc = rj_source_await(out, is_ready, "READY from the target", err);
	/* Synced before COMMIT: a disk that fails now only fails the
	 * migration. */
	if (!rc && out->session.one_way)
		rc = rj_conn_sync(
			&out->lanes.senders[0].conn,
			rj_counter(&out->lanes.senders[0].counters->wire_bytes),
			err);
	if (rc)
		return rc;
	if (verify && !out->session.one_way &&
	    out->session.ready_says.verified_blocks !=
		    out->vmm.guest->block_count)
		return rj_fail(err, -EPROTO,
			       "verify: the target compared %u blocks of %u",
			       out->session.ready_says.verified_blocks,
			       out->vmm.guest->block_count);
	measure(out, "target",
		out->forecast.pause.target_us + out->handover.digests_us);
	take_load(out);
	return 0;
}

static void record_last_round(struct rj_outgoing *out)
{
	const struct rj_sent now = rj_lanes_sent(&out->lanes);
	const struct ramjet_round_info info = {
		.pages = now.raw_pages + now.zero_pages -
			 out->pages.sent.raw_pages - out->pages.sent.zero_pages,
		.bytes = now.payload_bytes - out->pages.sent.payload_bytes,
		.us = rj_now_us() - out->handover.pause_began_us,
	};

	rj_lock(out->env.lock);
	rj_statistics_add_round(out->env.stats, &info);
	out->env.stats->remaining_pages = rj_memory_remaining(&out->pages);
	out->env.stats->verified = out->session.ready_says.verified_blocks > 0;
	out->env.stats->verify_blocks = out->session.ready_says.verified_blocks;
	rj_unlock(out->env.lock);
	rj_course_tell_news(&out->env);
}

/* Let the guest run on. The pages that the last sync found stay marked for the
 * next round. */
static int call_off(struct rj_outgoing *out, struct ramjet_error *err)
{
	int rc;

	out->handover.guest_stopped = false;
	rc = rj_call_start(&out->vmm, err);
	if (rc) {
		out->handover.guest_stopped = true;
		return rc;
	}
	rj_log(out->env.log, RJ_LOG_WARNING,
	       "switchover called off after %.1f ms: it would have overshot",
	       (double)(rj_now_us() - out->handover.pause_began_us) / 1000.0);
	rj_lock(out->env.lock);
	out->env.stats->called_off++;
	out->env.stats->term_count = 0;
	rj_unlock(out->env.lock);
	return rj_course_enter(&out->env, RAMJET_STATE_ACTIVE) ? 1 : -ECANCELED;
}

static int finish(struct rj_outgoing *out, struct ramjet_error *err)
{
	const bool verify = rj_env_params(&out->env).verify;
	int rc = rj_source_begin_helpers(out->helpers, err);

	if (!rc)
		rc = device_state(out, err);
	if (!rc)
		rc = gather_helpers(out, err);
	if (!rc)
		rc = last_round(out, err);
	if (!rc && verify)
		rc = send_digests(out, err);
	/* One way, wait until all pages are sent before SWITCHOVER is. */
	if (!rc && out->session.one_way)
		rc = rj_source_await(out, pages_are_through,
				     "progress of the last pages", err);
	if (!rc)
		rc = announce_end(out, err);
	if (!rc)
		rc = await_target(out, verify, err);
	if (!rc)
		rc = rj_guest_seal(out->vmm.guest, err);
	if (!rc)
		record_last_round(out);
	return rc;
}

int rj_source_switchover(struct rj_outgoing *out, struct ramjet_error *err)
{
	bool too_long = false;
	int rc;

	if (!rj_course_enter(&out->env, RAMJET_STATE_SWITCHOVER))
		return -ECANCELED;
	rc = check_blockers(out->vmm.guest, err);
	if (!rc)
		rc = rj_source_check_helpers(out->helpers, err);
	if (!rc)
		rc = stop_guest(out, err);
	if (!rc)
		rc = last_sync(out, &too_long, err);
	if (!rc && too_long)
		return call_off(out, err);
	return rc ? rc : finish(out, err);
}
