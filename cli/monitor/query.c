/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/monitor/query.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/json_text.h"
#include "cli/report/known.h"
#include "util/compiler.h"

/*
 * QEMU has no word for "handed over, but the target never answered". To a
 * manager "failed" is nearest; that the source's guest must not simply go on
 * is said by x-ramjet-state, and `cont` refuses.
 */
/* clang-format off */
static const char *const statuses[] = {
	[RAMJET_STATE_NONE] = "none",
	[RAMJET_STATE_SETUP] = "setup",
	[RAMJET_STATE_ACTIVE] = "active",
	[RAMJET_STATE_HELD] = "pre-switchover",
	[RAMJET_STATE_SWITCHOVER] = "device",
	[RAMJET_STATE_COMMITTED] = "device",
	[RAMJET_STATE_COMPLETED] = "completed",
	[RAMJET_STATE_FAILED] = "failed",
	[RAMJET_STATE_CANCELLING] = "cancelling",
	[RAMJET_STATE_CANCELLED] = "cancelled",
	[RAMJET_STATE_UNCONFIRMED] = "failed",
};
/* clang-format on */
static_assert(RJ_ARRAY_SIZE(statuses) == RAMJET_STATE_COUNT_, "add a status");

/* What `migrate` has begun sets up, also where its thread has not come that
 * far: none there is no more. */
static enum ramjet_state state_of(const struct ramjet_info *info)
{
	return info->state == RAMJET_STATE_NONE ? RAMJET_STATE_SETUP
						: info->state;
}

const char *rj_cli_migration_status(enum ramjet_state state)
{
	return state < RAMJET_STATE_COUNT_ ? statuses[state] : "none";
}

static json_t *whole(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/* null, when it says nothing. */
static json_t *whole_if(bool known, uint64_t value)
{
	return known ? whole(value) : json_null();
}

static json_t *ms(uint64_t us)
{
	return whole((us + 500) / 1000);
}

static void add(json_t *object, const char *name, json_t *value)
{
	(void)json_object_set_new(object, name, value);
}

/* The switchover's own round is the last one. */
static uint64_t bytes_in_pause(const struct ramjet_info *info)
{
	if (info->state != RAMJET_STATE_COMPLETED || !info->round_count)
		return 0;
	return RAMJET_AT(info->rounds, info->round_count - 1)->bytes;
}

static uint64_t channel_bytes(const struct ramjet_info *info)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < info->channel_count; i++)
		bytes += RAMJET_AT(info->channels, i)->bytes;
	return bytes;
}

/* Of now, as far as it is known; of the whole once it is over. */
static uint64_t rate_of(const struct ramjet_info *info)
{
	if (rj_cli_knows(info, RAMJET_KNOWN_CURRENT_RATE))
		return info->current_bytes_per_s;
	return info->throughput_bytes_per_s;
}

static json_t *ram_object(const struct ramjet_info *info)
{
	uint64_t rate = rate_of(info);
	uint64_t paused = bytes_in_pause(info);
	uint64_t before = info->ram_transferred_bytes > paused
				  ? info->ram_transferred_bytes - paused
				  : 0;
	json_t *object = json_object();

	add(object, "transferred", whole(info->ram_transferred_bytes));
	add(object, "remaining", whole(info->ram_remaining_bytes));
	add(object, "total", whole(info->ram_total_bytes));
	add(object, "duplicate", whole(info->ram_zero_pages));
	add(object, "skipped", whole(0));
	add(object, "normal", whole(info->ram_normal_pages));
	add(object, "normal-bytes",
	    whole(info->ram_normal_pages * RAMJET_PAGE_BYTES));
	add(object, "dirty-pages-rate", whole(info->dirty_pages_per_s));
	add(object, "mbps", json_real((double)rate * 8 / 1e6));
	add(object, "dirty-sync-count", whole(info->rounds_total));
	add(object, "postcopy-requests", whole(0));
	add(object, "page-size", whole(RAMJET_PAGE_BYTES));
	add(object, "multifd-bytes",
	    whole(info->channel_count > 1 ? channel_bytes(info) : 0));
	add(object, "pages-per-second", whole(rate / RAMJET_PAGE_BYTES));
	add(object, "precopy-bytes", whole(before));
	add(object, "downtime-bytes", whole(paused));
	add(object, "postcopy-bytes", whole(0));
	add(object, "dirty-sync-missed-zero-copy", whole(0));
	add(object, "x-ramjet-wire-bytes", whole(info->ram_wire_bytes));
	add(object, "x-ramjet-unpopulated", whole(info->ram_unpopulated_pages));
	add(object, "x-ramjet-compressed", whole(info->ram_compressed_pages));
	add(object, "x-ramjet-delta", whole(info->ram_delta_pages));
	add(object, "x-ramjet-resent", whole(info->ram_resent_pages));
	return object;
}

/* "tcp:HOST:PORT", HOST perhaps in brackets. */
static json_t *tcp_address(const char *rest)
{
	const char *colon = strrchr(rest, ':');
	const char *host = *rest == '[' ? rest + 1 : rest;
	size_t bytes;

	if (!colon || colon < host)
		return NULL;
	bytes = (size_t)(colon - host);
	if (host != rest && bytes)
		bytes--;
	return json_pack("{s:s, s:o, s:o}", "type", "inet", "host",
			 rj_json_text_n(host, bytes), "port",
			 rj_json_text(colon + 1));
}

static json_t *vsock_address(const char *rest)
{
	const char *colon = strchr(rest, ':');

	if (!colon)
		return NULL;
	return json_pack("{s:s, s:o, s:o}", "type", "vsock", "cid",
			 rj_json_text_n(rest, (size_t)(colon - rest)), "port",
			 rj_json_text(colon + 1));
}

/* QEMU's SocketAddress, or NULL when it isn't a socket. */
static json_t *socket_address(const char *uri)
{
	if (!strncmp(uri, "tcp:", 4))
		return tcp_address(uri + 4);
	if (!strncmp(uri, "unix:", 5))
		return json_pack("{s:s, s:o}", "type", "unix", "path",
				 rj_json_text(uri + 5));
	if (!strncmp(uri, "vsock:", 6))
		return vsock_address(uri + 6);
	return NULL;
}

static void add_where(json_t *object, const struct ramjet_info *info,
		      const char *listen_uri)
{
	json_t *address = listen_uri ? socket_address(listen_uri) : NULL;

	if (address)
		add(object, "socket-address", json_pack("[o]", address));
	add(object, "x-ramjet-uri",
	    rj_json_text(listen_uri ? listen_uri : info->uri));
}

void rj_cli_migration_add_address(json_t *object, const char *listen_uri)
{
	json_t *address = socket_address(listen_uri);

	if (address)
		(void)json_array_append_new(
			json_object_get(object, "socket-address"), address);
}

static void add_times(json_t *object, const struct ramjet_info *info)
{
	const bool final = ramjet_state_is_final(info->state);
	const bool downtime = rj_cli_knows(info, RAMJET_KNOWN_DOWNTIME);
	const bool predicted = rj_cli_knows(info, RAMJET_KNOWN_PREDICTION);

	add(object, "total-time", ms(info->total_us));
	add(object, "setup-time", ms(info->setup_us));
	if (downtime)
		add(object, "downtime", ms(info->downtime_us));
	if (info->outgoing && !final && predicted)
		add(object, "expected-downtime", ms(info->downtime_p50_us));
	if (info->throttle_percent)
		add(object, "cpu-throttle-percentage",
		    whole(info->throttle_percent));
	if (!info->outgoing)
		return;
	add(object, "x-ramjet-downtime-us",
	    whole_if(downtime, info->downtime_us));
	add(object, "x-ramjet-guest-downtime-us",
	    whole_if(rj_cli_knows(info, RAMJET_KNOWN_GUEST_DOWNTIME),
		     info->guest_downtime_us));
	add(object, "x-ramjet-path-rtt-us",
	    whole_if(rj_cli_knows(info, RAMJET_KNOWN_PATH_RTT),
		     info->path_rtt_us));
	add(object, "x-ramjet-downtime-limit-us",
	    whole(info->downtime_limit_us));
	add(object, "x-ramjet-expected-downtime-us",
	    json_pack("{s:o, s:o}", "p50",
		      whole_if(predicted, info->downtime_p50_us), "p90",
		      whole_if(predicted, info->downtime_p90_us)));
	/* Absent, and known: never at this pace. */
	if (!final && rj_cli_knows(info, RAMJET_KNOWN_CONVERGENCE) &&
	    info->convergence_us != UINT64_MAX)
		add(object, "x-ramjet-converges-in-us",
		    whole(info->convergence_us));
	add(object, "x-ramjet-capacity",
	    whole_if(rj_cli_knows(info, RAMJET_KNOWN_CAPACITY),
		     info->capacity_bytes_per_s));
	/* Absent: the limit is in reach. */
	if (!final && info->limit_needed_us)
		add(object, "x-ramjet-limit-needed-us",
		    whole(info->limit_needed_us));
	add(object, "x-ramjet-called-off", whole(info->called_off));
	add(object, "x-ramjet-control-reconnects",
	    whole(info->control_reconnects));
	add(object, "x-ramjet-lanes-lost", whole(info->lanes_lost));
	add(object, "x-ramjet-lanes-rejoined", whole(info->lanes_rejoined));
}

static json_t *texts(const char *const *strings, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(array, rj_json_text(strings[i]));
	return array;
}

json_t *rj_cli_migration_object(const struct ramjet_info *info,
				const char *listen_uri)
{
	json_t *object = json_object();

	add(object, "status",
	    json_string(rj_cli_migration_status(state_of(info))));
	add(object, "x-ramjet-state",
	    json_string(ramjet_state_name(state_of(info))));
	add_times(object, info);
	add(object, "ram", ram_object(info));
	if (info->error)
		add(object, "error-desc", rj_json_text(info->error->message));
	if (info->blocker_count)
		add(object, "blocked-reasons",
		    texts(info->blockers, info->blocker_count));
	add_where(object, info, listen_uri);
	add(object, "x-ramjet-known", rj_cli_known_show(info));
	return object;
}
