/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/remote/monitor_follow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/base/json_text.h"
#include "cli/report/known.h"
#include "util/error.h"

static uint64_t number(const json_t *object, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(object, name));

	return value > 0 ? (uint64_t)value : 0;
}

static enum ramjet_state state_of(const char *name)
{
	int state = RAMJET_STATE_NONE;

	for (int i = 0; name && i < RAMJET_STATE_COUNT_; i++)
		if (!strcmp(ramjet_state_name((enum ramjet_state)i), name))
			state = i;
	return (enum ramjet_state)state;
}

static void take_ram(struct ramjet_info *info, const json_t *ram)
{
	info->ram_total_bytes = number(ram, "total");
	info->ram_transferred_bytes = number(ram, "transferred");
	info->ram_wire_bytes = number(ram, "x-ramjet-wire-bytes");
	info->ram_remaining_bytes = number(ram, "remaining");
	info->ram_normal_pages = number(ram, "normal");
	info->ram_zero_pages = number(ram, "duplicate");
	info->ram_unpopulated_pages = number(ram, "x-ramjet-unpopulated");
	info->ram_compressed_pages = number(ram, "x-ramjet-compressed");
	info->ram_delta_pages = number(ram, "x-ramjet-delta");
	info->ram_resent_pages = number(ram, "x-ramjet-resent");
	info->dirty_pages_per_s = number(ram, "dirty-pages-rate");
	info->current_bytes_per_s =
		rj_json_scaled(json_object_get(ram, "mbps"), 1e6 / 8);
	info->throughput_bytes_per_s = info->current_bytes_per_s;
	info->rounds_total = number(ram, "dirty-sync-count");
}

static void take_migration(struct rj_cli_followed *f, const json_t *object)
{
	struct ramjet_info *info = &f->info;
	const json_t *expected =
		json_object_get(object, "x-ramjet-expected-downtime-us");
	const char *error =
		json_string_value(json_object_get(object, "error-desc"));
	const char *uri =
		json_string_value(json_object_get(object, "x-ramjet-uri"));

	*info = (struct ramjet_info){
		.size = sizeof(*info),
		.state = state_of(json_string_value(
			json_object_get(object, "x-ramjet-state"))),
		.outgoing = expected != NULL,
		.total_us = number(object, "total-time") * 1000,
		.setup_us = number(object, "setup-time") * 1000,
		.downtime_us = number(object, "x-ramjet-downtime-us"),
		.guest_downtime_us =
			number(object, "x-ramjet-guest-downtime-us"),
		.path_rtt_us = number(object, "x-ramjet-path-rtt-us"),
		.downtime_limit_us =
			number(object, "x-ramjet-downtime-limit-us"),
		.downtime_p50_us = number(expected, "p50"),
		.downtime_p90_us = number(expected, "p90"),
		.throttle_percent =
			(uint32_t)number(object, "cpu-throttle-percentage"),
		.convergence_us = UINT64_MAX,
		.capacity_bytes_per_s = number(object, "x-ramjet-capacity"),
		.known = rj_cli_known_read(
			json_object_get(object, "x-ramjet-known")),
		.limit_needed_us = number(object, "x-ramjet-limit-needed-us"),
		.called_off = (uint32_t)number(object, "x-ramjet-called-off"),
		.control_reconnects =
			number(object, "x-ramjet-control-reconnects"),
		.lanes_lost = (uint32_t)number(object, "x-ramjet-lanes-lost"),
		.lanes_rejoined =
			(uint32_t)number(object, "x-ramjet-lanes-rejoined"),
	};
	if (json_object_get(object, "x-ramjet-converges-in-us"))
		info->convergence_us =
			number(object, "x-ramjet-converges-in-us");
	if (error) {
		(void)rj_fail(&f->error, -EREMOTEIO, "%s", error);
		info->error = &f->error;
	}
	(void)snprintf(info->uri, sizeof(info->uri), "%s", uri ? uri : "");
	take_ram(info, json_object_get(object, "ram"));
}

static void take_rounds(struct rj_cli_followed *f, const json_t *report)
{
	const json_t *rounds = json_object_get(report, "rounds");
	size_t count = json_array_size(rounds);

	if (count > RAMJET_ROUNDS_MAX)
		count = RAMJET_ROUNDS_MAX;
	for (size_t i = 0; i < count; i++) {
		const json_t *round = json_array_get(rounds, i);

		f->rounds[i] = (struct ramjet_round_info){
			.size = sizeof(f->rounds[i]),
			.pages = number(round, "pages"),
			.bytes = number(round, "bytes"),
			.dirtied_pages = number(round, "dirtied_pages"),
			.us = rj_json_scaled(json_object_get(round, "ms"),
					     1000),
		};
	}
	f->info.rounds = f->rounds;
	f->info.round_count = count;
	f->info.rounds_total = number(report, "rounds_total");
	if (f->info.rounds_total < count)
		f->info.rounds_total = count;
}

int rj_cli_follow_query(struct rj_qmp_caller *caller, struct rj_cli_followed *f,
			struct ramjet_error *err)
{
	uint64_t rounds_before = f->info.rounds_total;
	json_t *object = NULL, *report = NULL;
	int rc =
		rj_qmp_caller_call(caller, "query-migrate", NULL, &object, err);

	if (rc)
		return rc;
	take_migration(f, object);
	json_decref(object);
	if (f->info.rounds_total == rounds_before)
		return 0;
	rc = rj_qmp_caller_call(caller, "x-ramjet-query-report", NULL, &report,
				err);
	if (!rc)
		take_rounds(f, report);
	json_decref(report);
	return rc;
}

int rj_cli_follow_wait(struct rj_qmp_caller *caller, int timeout_ms,
		       struct ramjet_error *err)
{
	json_t *event = NULL;
	int rc = rj_qmp_caller_event(caller, timeout_ms, &event, err);

	json_decref(event);
	return rc == -ETIMEDOUT ? 0 : rc;
}
