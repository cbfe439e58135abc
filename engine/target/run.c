/* SPDX-License-Identifier: BSD-3-Clause */
/* The target's control thread: the course of an incoming migration. */
#include "engine/target/incoming.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "dbus/vmstate.h"
#include "engine/guest/own_file.h"
#include "engine/guest/params.h"
#include "engine/link/event.h"
#include "engine/migration/callback.h"
#include "engine/migration/last_words.h"
#include "engine/placement/cpu_limit.h"
#include "engine/target/lost_lanes.h"
#include "engine/target/pump.h"
#include "engine/wire/digest_parts.h"
#include "ramjet-connect.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/* Mostly the source says at once that it has heard RUNNING: so long the end of
 * the migration waits for that. Chosen: nobody waits for the target's end but who
 * moves the next guest. */
#define KNOWN_SOON_NS (100 * UINT64_C(1000000))

static void free_incoming(struct ramjet_migration *m)
{
	struct rj_incoming *in = m->in;

	if (!in)
		return;
	rj_link_keeper_stop(&in->keeper);
	rj_door_close(&in->door);
	rj_lobby_done(&in->lobby);
	rj_listener_close(&in->listener);
	rj_intake_done(&in->intake);
	for (unsigned i = 0; i < in->channel_count; i++)
		(void)rj_conn_close(&in->receivers[i].conn, 1, NULL);
	(void)rj_conn_close(&in->single, 1, NULL);
	(void)rj_conn_close(&in->control, 1, NULL);
	rj_link_keeper_done(&in->keeper);
	rj_link_done(&in->link);
	rj_control_return_done(&in->back);
	if (in->has_inbox)
		rj_mailbox_done(&in->inbox);
	rj_target_memory_done(&in->memory);
	rj_numa_done(&in->numa);
	rj_fences_done(&in->fences);
	rj_lost_lanes_done(&in->lost);
	free(in->receivers);
	free(in->blocks);
	free(in->description);
	rj_helpers_free(in->helpers);
	free(in->device.data);
	free(in->helper_states.data);
	free(in->parts.data);
	free(in->digests);
	free(in);
}

/* Room for everything that a source may send before the control thread takes
 * any of it. */
static uint64_t inbox_bytes_max(struct ramjet_migration *m)
{
	const struct ramjet_params params = rj_migration_params(m);
	const uint64_t device = rj_params_state_bytes_max(&params);
	const uint64_t others =
		rj_target_helper_bytes_max(m) + RJ_CONTROL_BODY_MAX +
		(uint64_t)m->guest->block_count * RJ_DIGEST_PARTS_BYTES;

	return device < UINT64_MAX - others ? device + others : UINT64_MAX;
}

/* Place workers as the source does: if both sides have the guest's memory on
 * the same nodes, each worker is near what it receives. */
static int place_workers(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	const struct rj_numa_wish wish = {
		.blocks = in->blocks,
		.block_count = in->block_count,
		.worker_count = in->channel_count,
		.fd = in->link.conn.fd,
		.is_target = true,
		.nodes = m->guest->nodes,
	};

	const int rc = rj_numa_init(&in->numa, &in->env, &wish, err);

	if (!rc)
		rj_numa_place_maps(&in->numa, in->memory.received);
	return rc;
}

/* How many receive workers have a CPU beside them that no worker needs: for a
 * thread that populates ahead of them or writes behind them. */
static unsigned plan_spare_cpus(struct ramjet_migration *m)
{
	const char *refusal = rj_populate_ahead_refusal();
	const unsigned workers = m->in->channel_count;
	struct rj_cpu_limit limit;
	char chosen[16];
	unsigned spare;

	rj_cpu_limit_read(&limit);
	spare = rj_spare_cpus(limit.cpus, workers);
	(void)snprintf(chosen, sizeof(chosen), "%u", spare);
	rj_lock(&m->lock);
	rj_statistics_path(&m->stats, "first touch threads", chosen,
			   "receive workers: %u, CPUs: %u (%s)%s%s", workers,
			   limit.cpus, limit.by, refusal ? "; " : "",
			   refusal ? refusal : "");
	rj_unlock(&m->lock);
	return spare;
}

/* Without a keeper the control thread answers PING, when it has time. */
static void keep_link(struct ramjet_migration *m)
{
	struct rj_incoming *in = m->in;
	struct ramjet_error err = { 0 };

	/* Without a door it does not return, but both sides say HEARD. */
	if (in->control_may_return) {
		rj_control_return_begin(&in->back, &in->door, in->reconnect_ms,
					&in->env);
		rj_link_keeper_may_return(
			&in->keeper, &in->link, &in->back.resume,
			in->door.started ? &in->back.way : NULL);
	}
	if (rj_link_keeper_start(&in->keeper, &in->link, m->event_fd,
				 inbox_bytes_max(m), &err))
		rj_log(&m->log, RJ_LOG_WARNING, "%s", err.message);
}

static int start_receivers(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	int rc = rj_migration_alloc_counters(m, in->channel_count, err);
	unsigned spare;

	if (!rc)
		rc = place_workers(m, err);
	if (rc)
		return rc;
	spare = plan_spare_cpus(m);
	rj_fences_init(&in->fences, in->channel_count, m->event_fd);
	if (!rj_conn_is_open(&in->control)) {
		rj_mailbox_init(&in->inbox, inbox_bytes_max(m), m->event_fd);
		in->has_inbox = true;
		in->link.inbox = &in->inbox;
	}
	if (in->lanes_may_be_lost)
		rc = rj_lost_lanes_init(in, err);
	for (unsigned i = 0; !rc && i < in->channel_count; i++) {
		struct rj_receiver *r = &in->receivers[i];

		r->env = rj_env_of(m);
		r->memory = &in->memory;
		r->fences = &in->fences;
		r->inbox = in->has_inbox ? &in->inbox : NULL;
		r->link = in->has_inbox && !in->one_way ? &in->link : NULL;
		r->counters = &m->counters[i];
		r->cpus = rj_numa_cpus(&in->numa, i);
		r->index = i;
		r->spare_cpu = i < spare;
		r->one_way = in->one_way;
		r->backend = rj_migration_params(m).backend;
		/* In band, the link has read the first bytes of this stream. */
		r->stream_base =
			in->has_inbox ? in->link.received : in->hello_bytes;
		rc = rj_receiver_start(r, err);
	}
	return rc;
}

static void measure(struct ramjet_migration *m, const char *term)
{
	const uint64_t now = rj_now_us();

	rj_lock(&m->lock);
	rj_statistics_measure(&m->stats, term, now - m->in->term_began_us);
	rj_unlock(&m->lock);
	m->in->term_began_us = now;
}

static int begin(struct ramjet_migration *m, struct ramjet_error *err)
{
	int rc;

	if (!rj_migration_set_state(m, RAMJET_STATE_SETUP))
		return -ECANCELED;
	rc = rj_target_open_helpers(m, err);
	if (!rc)
		rc = rj_target_open_session(m, err);
	if (!rc)
		rc = start_receivers(m, err);
	if (rc)
		return rc;
	rj_target_open_door(m);
	if (!m->in->has_inbox)
		keep_link(m);
	rj_lock(&m->lock);
	m->stats.active_us = m->in->so_far.us = rj_now_us();
	rj_unlock(&m->lock);
	return rj_migration_set_state(m, RAMJET_STATE_ACTIVE) ? 0 : -ECANCELED;
}

static int answer_ready(struct ramjet_migration *m,
			const struct rj_ready *ready, struct ramjet_error *err)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_READY,
		.payload_bytes = RJ_READY_BYTES,
	};
	uint8_t body[RJ_READY_BYTES];

	rj_lock(&m->lock);
	m->stats.verified = ready->verified_blocks > 0;
	m->stats.verify_blocks = ready->verified_blocks;
	rj_unlock(&m->lock);
	if (m->in->one_way)
		return 0;
	rj_talk_said(&m->in->talk, RJ_FRAME_READY);
	if (!rj_migration_promise(m))
		return -ECANCELED;
	rj_ready_encode(ready, body);
	return rj_link_send(&m->in->link, &frame, body,
			    rj_migration_reply_deadline(m), err);
}

static int answer_running(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_RUNNING,
		.payload_bytes = RJ_RUNNING_BYTES,
	};
	const struct rj_running running = {
		.start_us = rj_now_us() - m->in->committed_us,
		.token = m->in->commit_token,
	};
	uint8_t body[RJ_RUNNING_BYTES];

	rj_running_encode(&running, body);
	return rj_link_send(&m->in->link, &frame, body,
			    rj_migration_reply_deadline(m), err);
}

static int start_guest(struct ramjet_migration *m, struct ramjet_error *err)
{
	bool paused;
	const struct rj_vmm vmm = rj_vmm_of(m);
	int rc;

	if (!rj_migration_set_state(m, RAMJET_STATE_COMMITTED))
		return -ECANCELED;
	if (m->in->arrives_paused)
		rj_guest_arrive_paused(m->guest);
	/* If it is paused, its owner starts it later. */
	paused = rj_guest_settle_paused(m->guest);
	rc = paused ? 0 : rj_call_start(&vmm, err);
	if (rc)
		return rc;
	if (paused)
		rj_log(&m->log, RJ_LOG_INFO,
		       "the guest is paused, and stays so");
	measure(m, "resume");
	rj_lock(&m->lock);
	m->stats.downtime_us = rj_now_us() - m->in->pause_began_us;
	m->stats.known |= RAMJET_KNOWN_DOWNTIME;
	rj_unlock(&m->lock);
	if (m->in->one_way)
		return 0;
	/* The guest runs: a RUNNING that can't be sent changes nothing about
	 * that. */
	m->in->link.wake_fd = -1;
	if (answer_running(m, err)) {
		rj_log(&m->log, RJ_LOG_WARNING,
		       "the guest runs, but the source does not know: %s",
		       err->message);
		rj_error_clear(err);
	}
	return 0;
}

static int run(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_ready ready = { 0 };
	int rc = begin(m, err);

	if (!rc)
		rc = rj_target_await_all(m, err);
	if (rc)
		return rc;
	m->in->term_began_us = rj_now_us();
	ready.apply_us = m->in->term_began_us - m->in->announced_us;
	rc = rj_target_load(m, &ready, err);
	measure(m, "load");
	/* After READY the source decides: so look once more for a failure or a
	 * cancel. */
	if (!rc)
		rc = rj_migration_error(m).code;
	if (!rc)
		rc = rj_target_look(m, err);
	if (!rc)
		rc = answer_ready(m, &ready, err);
	if (!rc)
		rc = rj_target_await_commit(m, err);
	measure(m, "commit");
	return rc ? rc : start_guest(m, err);
}

static void join_receivers(struct rj_incoming *in)
{
	for (unsigned i = 0; i < in->channel_count; i++)
		rj_receiver_join(&in->receivers[i]);
}

static void record_wire(struct ramjet_migration *m)
{
	struct rj_incoming *in = m->in;

	rj_lock(&m->lock);
	/* In band, they are among the channel's bytes. */
	m->stats.control_bytes = in->has_inbox ? 0 : in->link.bytes;
	rj_unlock(&m->lock);
}

static void close_connections(struct rj_incoming *in)
{
	rj_door_close(&in->door);
	rj_lobby_done(&in->lobby);
	rj_listener_close(&in->listener);
	rj_intake_close(&in->intake);
	for (unsigned i = 0; i < in->channel_count; i++)
		(void)rj_conn_close(&in->receivers[i].conn,
				    rj_now_ns() + 100000000, NULL);
	(void)rj_conn_close(&in->control, 0, NULL);
	(void)rj_conn_close(&in->single, rj_now_ns() + 100000000, NULL);
	rj_helpers_free(in->helpers);
	in->helpers = NULL;
}

static void unwind(struct ramjet_migration *m)
{
	struct rj_incoming *in = m->in;
	enum ramjet_state end = RAMJET_STATE_FAILED;
	bool may_speak = !in->one_way;
	struct ramjet_error error;

	if (rj_migration_is_cancelled(m) &&
	    ramjet_migration_state(m) < RAMJET_STATE_COMMITTED &&
	    rj_migration_set_state(m, RAMJET_STATE_CANCELLING))
		end = RAMJET_STATE_CANCELLED;
	rj_event_signal(m->wake_fd);
	if (in->fences.channels)
		rj_fences_stop(&in->fences);
	/* One way, there is no control link to hear last words on. */
	if (end == RAMJET_STATE_FAILED && !in->one_way)
		rj_hear_last_words(&in->link, &in->env, "source");
	error = rj_migration_error(m);
	/* After READY the target may not say CANCEL: the source may have sent
	 * COMMIT already. Only closing the connection is left. */
	if (end == RAMJET_STATE_CANCELLED && rj_migration_has_promised(m))
		may_speak = false;
	rj_link_keeper_stop(&in->keeper);
	if (!rj_conn_is_open(&in->control))
		rj_target_turn_away(m, &error);
	if (may_speak && rj_conn_is_open(&in->link.conn)) {
		in->link.inbox = NULL;
		rj_say_goodbye(&in->link, &in->env, &error);
	}
	join_receivers(in);
	rj_clearing_stop(&in->memory.clearing);
	if (end == RAMJET_STATE_FAILED && in->one_way && in->receivers)
		rj_hear_command(&in->receivers[0].conn, &in->env);
	record_wire(m);
	close_connections(in);
	rj_migration_finish(m, end);
}

static void hang_up(struct rj_incoming *in)
{
	rj_link_keeper_stop(&in->keeper);
	close_connections(in);
}

static void complete(struct ramjet_migration *m)
{
	bool is_known;

	join_receivers(m->in);
	rj_clearing_stop(&m->in->memory.clearing);
	is_known = rj_target_await_known(m, rj_now_ns() + KNOWN_SOON_NS);
	record_wire(m);
	if (is_known)
		hang_up(m->in);
	else
		atomic_store_explicit(&m->in->back.is_over, true,
				      memory_order_relaxed);
	rj_migration_finish(m, RAMJET_STATE_COMPLETED);
	if (is_known)
		return;
	/* The link may be lost with the last word in it: the source may come
	 * and ask, until it has given up. */
	(void)rj_target_await_known(m, rj_now_ns() + m->in->back.way.window_ns);
	hang_up(m->in);
}

static void control_thread(struct ramjet_migration *m)
{
	struct ramjet_error err = { 0 };
	int rc = run(m, &err);

	if (!rc) {
		complete(m);
		return;
	}
	if (!err.code)
		(void)rj_fail_errno(&err, rc, "migration");
	rj_migration_fail(m, &err);
	unwind(m);
}

/* The name is looked up in the caller's call: so it has a deadline. */
static uint64_t lookup_deadline(const struct ramjet_params *params)
{
	uint64_t ms = params->connect_timeout_ms;

	if (params->total_timeout_ms && (!ms || params->total_timeout_ms < ms))
		ms = params->total_timeout_ms;
	return ms ? rj_now_ns() + ms * UINT64_C(1000000) : 0;
}

static int listen_on(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	int rc = rj_listen_until(&m->uri, lookup_deadline(&m->params),
				 m->params.cancel_fd, &in->listener, err);

	if (rc)
		return rc;
	(void)snprintf(m->listen_uri, sizeof(m->listen_uri), "%s",
		       in->listener.bound_uri);
	memcpy(m->more_listen_uris, in->listener.more_uris,
	       sizeof(m->more_listen_uris));
	return 0;
}

static int new_incoming(struct ramjet_migration *m,
			const struct rj_where *where, struct ramjet_error *err)
{
	struct rj_incoming *in = calloc(1, sizeof(*in));
	int rc;

	m->in = in;
	if (!in)
		return rj_fail(err, -ENOMEM, "migration: out of memory");
	in->env = rj_env_of(m);
	in->listener.fd = in->intake.fd = -1;
	in->single = in->control = (struct rj_conn)RJ_CONN_NONE;
	rj_link_init(&in->link, NULL, m->wake_fd);
	(void)snprintf(m->listen_uri, sizeof(m->listen_uri), "%s", m->uri_text);
	if (where->vmm)
		return rj_intake_init(&in->intake, err);
	if (!rj_uri_is_multi(&m->uri)) {
		rc = rj_open_incoming(&m->uri, &in->single, err);
		return rc ? rc : rj_stream_claim(m->guest, &in->single, err);
	}
	return listen_on(m, err);
}

static const struct rj_side incoming = {
	.name = "incoming",
	.outgoing = false,
	.prepare = new_incoming,
	.run = control_thread,
	.free = free_incoming,
};

RAMJET_API int ramjet_incoming(struct ramjet_guest *guest, const char *uri,
			       const struct ramjet_params *params,
			       struct ramjet_migration **ret,
			       struct ramjet_error *err)
{
	const struct rj_where where = { .uri = uri };

	return rj_migration_begin(&incoming, guest, &where, params, ret, err);
}

RAMJET_API int ramjet_incoming_over(struct ramjet_guest *guest,
				    const char *name,
				    const struct ramjet_params *params,
				    struct ramjet_migration **ret,
				    struct ramjet_error *err)
{
	const struct rj_where where = { .vmm = true, .name = name };

	return rj_migration_begin(&incoming, guest, &where, params, ret, err);
}
