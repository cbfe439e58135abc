/* SPDX-License-Identifier: BSD-3-Clause */
/* The source's control thread: the course of an outgoing migration. */
#include "engine/source/outgoing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/vmstate.h"
#include "engine/guest/own_file.h"
#include "engine/link/event.h"
#include "engine/migration/callback.h"
#include "engine/migration/course.h"
#include "engine/migration/last_words.h"
#include "engine/migration/transitions.h"
#include "engine/source/channels.h"
#include "engine/source/commit.h"
#include "engine/source/connections.h"
#include "engine/source/copies.h"
#include "engine/source/give_way.h"
#include "engine/source/helpers.h"
#include "engine/source/keeps.h"
#include "engine/source/lost_lanes.h"
#include "engine/source/memory.h"
#include "engine/source/offer.h"
#include "engine/source/path.h"
#include "engine/source/precopy.h"
#include "engine/source/pump.h"
#include "engine/source/session.h"
#include "engine/source/switchover.h"
#include "util/clock.h"
#include "util/error.h"

/* Chosen: what is closed is of no use any more, and a peer that takes its last
 * bytes late should not see a reset. */
#define CLOSE_DEADLINE_NS (5 * UINT64_C(1000000000))

static void free_outgoing(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;

	if (!out)
		return;
	for (unsigned i = 0; i < out->lanes.channel_count; i++) {
		(void)rj_conn_close(&out->lanes.senders[i].conn, 1, NULL);
		rj_claim_log_done(&out->lanes.senders[i].claims);
	}
	(void)rj_conn_close(&out->session.control, 1, NULL);
	(void)rj_conn_close(&out->session.given, 1, NULL);
	rj_source_lost_done(out);
	rj_helpers_free(out->helpers);
	rj_first_look_close(&out->pages.first_look);
	rj_copies_end(&out->lanes);
	rj_rounds_done(&out->pages.rounds);
	rj_numa_done(&out->lanes.numa);
	rj_link_keeper_done(&out->session.keeper);
	rj_link_done(&out->session.link);
	rj_rejoin_control_done(&out->session.rejoin);
	rj_governor_done(&out->lanes.governor);
	if (out->session.has_outbox)
		rj_mailbox_done(&out->session.outbox);
	free(out->lanes.senders);
	free(out->pages.regions);
	free(out->pages.lazy);
	free(out);
}

static void nudge(void *rounds)
{
	rj_rounds_kick(rounds);
}

/* The pagemap source write-protects pages: pinning one counts as a write. */
static bool pinning_dirties(const struct ramjet_guest *guest)
{
	for (unsigned i = 0; i < guest->source_count; i++)
		if (!strcmp(guest->sources[i]->ops.name, "pagemap"))
			return true;
	return false;
}

/* A level that does not change; who looks for one notes what he finds. */
static void note_level(const struct rj_reduction *reduction,
		       struct rj_counters *counters)
{
	if (!reduction->adaptive && reduction->level != RJ_LEVEL_OFF)
		rj_levels_note(&counters->levels, reduction->level,
			       rj_now_us());
}

static int start_senders(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	int rc = rj_migration_alloc_counters(m, out->lanes.channel_count, err);

	if (rc)
		return rc;
	if (out->session.has_outbox) {
		out->session.link.outbox = &out->session.outbox;
		out->session.link.nudge_user = &out->pages.rounds;
		out->session.link.nudge = nudge;
		if (!out->session.one_way)
			rj_session_keep_link(&m->out->session, &m->out->env);
	}
	out->lanes.counters = m->counters;
	rj_give_way_begin(&out->lanes);
	rj_source_channels_begin(&out->lanes, &out->pages.rounds,
				 out->session.has_outbox, &out->env);
	for (unsigned i = 0; i < out->lanes.channel_count; i++) {
		struct rj_sender *s = &out->lanes.senders[i];

		s->env = out->env;
		s->pinning_dirties = pinning_dirties(m->guest);
		s->rounds = &out->pages.rounds;
		s->dirty = rj_dirty_set_needs_rearm(&out->pages.dirty)
				   ? &out->pages.dirty
				   : NULL;
		s->outbox =
			out->session.has_outbox ? &out->session.outbox : NULL;
		s->governor = &out->lanes.governor;
		s->zero_copy = &out->lanes.zero_copy;
		s->reduction = &out->lanes.reduction;
		s->room = &out->lanes.room;
		s->one_way = out->session.one_way;
		s->may_be_lost = out->lanes.may_be_lost;
		s->applied = &out->pages.applied;
		s->counters = &m->counters[i];
		note_level(&out->lanes.reduction, s->counters);
		s->cpus = rj_numa_cpus(&out->lanes.numa, i);
		s->index = i;
		s->backend = rj_migration_params(m).backend;
		rc = rj_sender_start(s, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int begin(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	int rc =
		rj_source_open_helpers(m->guest, &out->helpers,
				       &out->forecast.estimate, &out->env, err);

	if (!rc)
		rc = rj_session_connect(&out->session, &out->lanes, &out->vmm,
					&out->env, err);
	if (!rc)
		rc = rj_source_await_accept(out, err);
	if (!rc)
		rc = rj_session_open_channels(&out->session, &out->lanes,
					      &out->vmm, &out->env, err);
	if (!rc)
		rc = rj_offer_settle(&out->session, &out->lanes, &out->env,
				     err);
	rj_source_report_keeps(&out->session, &out->env);
	if (!rc)
		rc = rj_source_lost_begin(out, err);
	/* In band, answers are sent by a worker: the keeper starts with the
	 * workers. */
	if (!rc && !out->session.has_outbox) {
		rj_session_keep_link(&out->session, &out->env);
		/* Asked now, when no pages are queued that would make the
		 * answer late. */
		rc = rj_path_ping(&out->session, &out->forecast, err);
	}
	if (!rc)
		rc = rj_memory_prepare(out, err);
	if (!rc)
		rj_copies_begin(&out->lanes, &out->pages, m->guest, &out->env);
	if (!rc)
		rc = start_senders(m, err);
	if (rc)
		return rc;
	rj_lock(&m->lock);
	m->stats.active_us = rj_now_us();
	rj_unlock(&m->lock);
	return rj_migration_set_state(m, RAMJET_STATE_ACTIVE) ? 0 : -ECANCELED;
}

static int run(struct ramjet_migration *m, struct ramjet_error *err)
{
	int rc;

	if (!rj_migration_set_state(m, RAMJET_STATE_SETUP))
		return -ECANCELED;
	rc = begin(m, err);
	if (rc)
		return rc;
	do {
		rc = rj_source_precopy(m->out, err);
		if (!rc)
			rc = rj_source_switchover(m->out, err);
	} while (rc > 0);
	return rc ? rc : rj_source_commit(m->out, err);
}

static void join_senders(struct rj_outgoing *out)
{
	rj_source_lost_stop(out);
	for (unsigned i = 0; i < out->lanes.channel_count; i++)
		rj_sender_join(&out->lanes.senders[i]);
}

/* The guest runs nowhere now: the migration's error must say so, too. */
static void report_stranded(struct ramjet_migration *m,
			    const struct ramjet_error *why)
{
	const struct ramjet_error first = rj_migration_error(m);
	struct ramjet_error both = { 0 };

	(void)rj_fail(&both, first.code,
		      "%.240s; and the source guest DOES NOT START AGAIN: %s",
		      first.message, why->message);
	rj_log(&m->log, RJ_LOG_ERROR, "%s", both.message);
	rj_lock(&m->lock);
	m->error = both;
	rj_unlock(&m->lock);
}

/* The migration failed, but the guest stood still meanwhile: report for how
 * long. */
static void record_pause(struct rj_outgoing *out)
{
	const uint64_t us = rj_now_us() - out->handover.pause_began_us;

	rj_lock(out->env.lock);
	out->env.stats->downtime_us = us;
	out->env.stats->known |= RAMJET_KNOWN_DOWNTIME;
	rj_unlock(out->env.lock);
	rj_log(out->env.log, RJ_LOG_WARNING,
	       "the guest stood still for %.1f ms, and runs on",
	       (double)us / 1000.0);
}

/* Start the guest again, before anything else that takes time. False when it
 * does not start. */
static bool resume_guest(struct ramjet_migration *m)
{
	struct ramjet_error err = { 0 };
	int rc;

	if (!m->out->handover.guest_stopped)
		return true;
	m->out->handover.guest_stopped = false;
	rj_guest_unseal(m->guest);
	rc = rj_call_start(&m->out->vmm, &err);
	if (!rc) {
		record_pause(m->out);
		return true;
	}
	report_stranded(m, &err);
	return false;
}

static void tell_target(struct rj_outgoing *out)
{
	const struct ramjet_error error = rj_course_error(&out->env);
	bool fit = rj_conn_is_open(&out->session.link.conn) &&
		   !out->session.one_way;

	/* In band, the last frame may have been cut in the middle: nothing can
	 * follow it. */
	if (out->session.has_outbox && out->session.link.outbox)
		fit = false;
	rj_link_keeper_stop(&out->session.keeper);
	if (fit)
		rj_say_goodbye(&out->session.link, &out->env, &error);
}

static void record_wire(struct rj_outgoing *out)
{
	rj_offer_record(&out->lanes, &out->env);
	rj_copies_end(&out->lanes);
	rj_lock(out->env.lock);
	out->env.stats->control_bytes = out->session.link.bytes;
	if (out->pages.rounds.worker_count)
		out->env.stats->remaining_pages =
			rj_memory_remaining(&out->pages);
	rj_unlock(out->env.lock);
}

static void close_connections(struct rj_outgoing *out)
{
	for (unsigned i = 0; i < out->lanes.channel_count; i++)
		(void)rj_conn_close(&out->lanes.senders[i].conn,
				    rj_now_ns() + CLOSE_DEADLINE_NS / 50, NULL);
	(void)rj_conn_close(&out->session.control, 0, NULL);
	/* If it failed before this was used: close it now, for the peer
	 * waits. */
	(void)rj_conn_close(&out->session.given, 0, NULL);
	/* Disconnect from the helpers' bus, whatever is still under way
	 * there. */
	rj_helpers_free(out->helpers);
	out->helpers = NULL;
}

static void unwind(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	enum ramjet_state end = RAMJET_STATE_FAILED;

	if (rj_migration_is_cancelled(m) &&
	    rj_migration_set_state(m, RAMJET_STATE_CANCELLING))
		end = RAMJET_STATE_CANCELLED;
	rj_throttle_lift(&out->handover.throttle, &out->vmm, &out->env);
	if (!resume_guest(m))
		end = RAMJET_STATE_FAILED;
	rj_event_signal(m->wake_fd);
	if (out->pages.rounds.worker_count)
		rj_rounds_stop(&out->pages.rounds);
	join_senders(out);
	if (end == RAMJET_STATE_FAILED && out->session.one_way)
		rj_hear_command(&out->lanes.senders[0].conn, &m->out->env);
	else if (end == RAMJET_STATE_FAILED)
		rj_hear_last_words(&out->session.link, &out->env, "target");
	tell_target(out);
	rj_memory_stop_tracking(&out->pages, m->guest, &out->env);
	record_wire(out);
	close_connections(out);
	rj_migration_finish(m, end);
}

static void complete(struct ramjet_migration *m, enum ramjet_state end)
{
	struct rj_outgoing *out = m->out;

	/* A person may start the guest here again: not throttled. */
	if (end == RAMJET_STATE_UNCONFIRMED)
		rj_throttle_lift(&out->handover.throttle, &out->vmm, &out->env);
	rj_rounds_stop(&out->pages.rounds);
	rj_link_keeper_stop(&out->session.keeper);
	join_senders(out);
	rj_memory_stop_tracking(&out->pages, m->guest, &out->env);
	record_wire(out);
	close_connections(out);
	rj_migration_finish(m, end);
}

static void control_thread(struct ramjet_migration *m)
{
	struct ramjet_error err = { 0 };
	int rc = run(m, &err);

	if (rc) {
		if (!err.code)
			(void)rj_fail_errno(&err, rc, "migration");
		rj_migration_fail(m, &err);
	}
	if (ramjet_migration_state(m) == RAMJET_STATE_COMMITTED)
		complete(m, rc ? RAMJET_STATE_UNCONFIRMED
			       : RAMJET_STATE_COMPLETED);
	else
		unwind(m);
}

static int new_outgoing(struct ramjet_migration *m,
			const struct rj_where *where, struct ramjet_error *err)
{
	int rc = rj_offer_check(&m->params, err);

	if (rc)
		return rc;

	m->out = calloc(1, sizeof(*m->out));
	if (!m->out)
		return rj_fail(err, -ENOMEM, "migration: out of memory");
	m->out->env = rj_env_of(m);
	m->out->vmm = rj_vmm_of(m);
	m->out->session.uri = &m->uri;
	m->out->session.uri_text = m->uri_text;
	m->out->pages.untouched = m->untouched_pages;
	m->out->session.given = m->out->session.control =
		(struct rj_conn)RJ_CONN_NONE;
	rj_link_init(&m->out->session.link, NULL, m->wake_fd);
	rj_governor_init(&m->out->lanes.governor, &m->cap_bytes_per_s);
	m->out->lanes.reduction.level = RJ_LEVEL_OFF;
	if (where->connector)
		m->out->session.connector = *where->connector;
	/* The caller may close its number once ramjet_migrate() returns. */
	if (m->uri.scheme != RJ_URI_FD)
		return 0;
	rc = rj_connect(&m->uri, 0, -1, &m->out->session.given, err);
	return rc ? rc : rj_stream_claim(m->guest, &m->out->session.given, err);
}

static const struct rj_side outgoing = {
	.name = "migrate",
	.outgoing = true,
	.prepare = new_outgoing,
	.run = control_thread,
	.free = free_outgoing,
};

RAMJET_API int ramjet_migrate(struct ramjet_guest *guest, const char *uri,
			      const struct ramjet_params *params,
			      struct ramjet_migration **ret,
			      struct ramjet_error *err)
{
	const struct rj_where where = { .uri = uri };

	return rj_migration_begin(&outgoing, guest, &where, params, ret, err);
}

RAMJET_API int ramjet_migrate_over(struct ramjet_guest *guest,
				   const struct ramjet_connector *connector,
				   const struct ramjet_params *params,
				   struct ramjet_migration **ret,
				   struct ramjet_error *err)
{
	struct ramjet_connector known;
	struct rj_where where = { .vmm = true, .connector = &known };
	int rc;

	rj_error_clear(err);
	rc = rj_connector_load(connector, &known, err);
	where.name = known.name;
	return rc ? rc
		  : rj_migration_begin(&outgoing, guest, &where, params, ret,
				       err);
}
