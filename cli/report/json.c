/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/report/json.h"

#include "cli/base/json_text.h"
#include "cli/report/known.h"
#include "cli/report/savings.h"

static json_t *ms(uint64_t us)
{
	return json_real((double)us / 1000);
}

static json_t *seconds(uint64_t us)
{
	return json_real((double)us / 1000000);
}

static json_t *whole(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* null, when it says nothing. */
static json_t *if_known(bool known, json_t *value)
{
	if (known)
		return value;
	json_decref(value);
	return json_null();
}

static json_t *ram_object(const struct ramjet_info *info)
{
	const bool left = rj_cli_knows(info, RAMJET_KNOWN_REMAINING);

	return json_pack("{s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o,"
			 " s:o}",
			 "total_bytes", whole(info->ram_total_bytes),
			 "transferred_bytes",
			 whole(info->ram_transferred_bytes), "wire_bytes",
			 whole(info->ram_wire_bytes), "remaining_bytes",
			 if_known(left, whole(info->ram_remaining_bytes)),
			 "page_bytes", (int)RAMJET_PAGE_BYTES, "normal_pages",
			 whole(info->ram_normal_pages), "zero_pages",
			 whole(info->ram_zero_pages), "unpopulated_pages",
			 whole(info->ram_unpopulated_pages), "compressed_pages",
			 whole(info->ram_compressed_pages), "delta_pages",
			 whole(info->ram_delta_pages), "resent_pages",
			 whole(info->ram_resent_pages));
}

static json_t *terms_array(const struct ramjet_info *info)
{
	const bool before = rj_cli_knows(info, RAMJET_KNOWN_PREDICTION);
	const bool after = rj_cli_knows(info, RAMJET_KNOWN_DOWNTIME);
	json_t *array = json_array();

	for (size_t i = 0; i < info->term_count; i++) {
		const struct ramjet_term_info *term = RAMJET_AT(info->terms, i);

		(void)json_array_append_new(
			array,
			json_pack("{s:s, s:o, s:o}", "name", term->name,
				  "predicted_ms",
				  if_known(before, ms(term->predicted_us)),
				  "actual_ms",
				  if_known(after, ms(term->actual_us))));
	}
	return array;
}

static json_t *rounds_array(const struct ramjet_info *info)
{
	json_t *array = json_array();

	for (size_t i = 0; i < info->round_count; i++)
		(void)json_array_append_new(
			array,
			json_pack("{s:o, s:o, s:o, s:o}", "pages",
				  whole(RAMJET_AT(info->rounds, i)->pages),
				  "bytes",
				  whole(RAMJET_AT(info->rounds, i)->bytes),
				  "ms", ms(RAMJET_AT(info->rounds, i)->us),
				  "dirtied_pages",
				  whole(RAMJET_AT(info->rounds, i)
						->dirtied_pages)));
	return array;
}

static json_t *channels_array(const struct ramjet_info *info)
{
	json_t *array = json_array();

	for (size_t i = 0; i < info->channel_count; i++)
		(void)json_array_append_new(
			array,
			json_pack(
				"{s:o, s:s, s:I, s:o}", "bytes",
				whole(RAMJET_AT(info->channels, i)->bytes),
				"state", RAMJET_AT(info->channels, i)->state,
				"epoch",
				(json_int_t)RAMJET_AT(info->channels, i)->epoch,
				"rtt_us",
				/* Only TCP measures it. */
				if_known(RAMJET_AT(info->channels, i)->rtt_us,
					 whole(RAMJET_AT(info->channels, i)
						       ->rtt_us))));
	return array;
}

static json_t *helpers_array(const struct ramjet_info *info)
{
	json_t *array = json_array();

	for (size_t i = 0; i < info->helper_count; i++)
		(void)json_array_append_new(
			array,
			json_pack("{s:o, s:o, s:o, s:o, s:b}", "id",
				  rj_json_text(RAMJET_AT(info->helpers, i)->id),
				  "bytes",
				  whole(RAMJET_AT(info->helpers, i)->bytes),
				  "save_ms",
				  ms(RAMJET_AT(info->helpers, i)->save_us),
				  "load_ms",
				  ms(RAMJET_AT(info->helpers, i)->load_us),
				  "left_alone",
				  !RAMJET_AT(info->helpers, i)->takes_part));
	return array;
}

static json_t *fast_paths_array(const struct ramjet_info *info)
{
	json_t *array = json_array();

	for (size_t i = 0; i < info->fast_path_count; i++)
		(void)json_array_append_new(
			array,
			json_pack("{s:s, s:s, s:o}", "name",
				  RAMJET_AT(info->fast_paths, i)->name,
				  "chosen",
				  RAMJET_AT(info->fast_paths, i)->chosen,
				  "reason",
				  rj_json_text(RAMJET_AT(info->fast_paths, i)
						       ->reason)));
	return array;
}

/* Blocks were compared, or they were not: then `identical` is null. */
static json_t *verify_object(const struct ramjet_info *info)
{
	json_t *identical = info->verify_blocks || info->verified
				    ? json_boolean(info->verified)
				    : json_null();

	return json_pack("{s:I, s:o}", "blocks",
			 (json_int_t)info->verify_blocks, "identical",
			 identical);
}

static json_t *self_check_object(const struct rj_cli_report *report)
{
	const struct rj_cli_guest_check *check = report->check;

	if (!check)
		return json_null();
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "clean",
			 report->check_clean, "pages", whole(check->pages),
			 "writes", whole(check->writes), "own_writes",
			 whole(check->own_writes), "first_write",
			 whole(check->first_write), "trial_writes",
			 whole(check->trial_writes));
}

static void add(json_t *object, const char *name, json_t *value)
{
	(void)json_object_set_new(object, name, value);
}

enum rj_cli_exit rj_cli_exit_of(enum ramjet_state state)
{
	if (state == RAMJET_STATE_COMPLETED)
		return RJ_CLI_EXIT_COMPLETED;
	return state == RAMJET_STATE_UNCONFIRMED ? RJ_CLI_EXIT_UNCONFIRMED
						 : RJ_CLI_EXIT_FAILED;
}

static json_t *exit_status(const struct rj_cli_report *report)
{
	if (!report->asked)
		return json_integer(report->exit_status);
	if (!report->info || !ramjet_state_is_final(report->info->state))
		return json_null();
	return json_integer(rj_cli_exit_of(report->info->state));
}

/* Without info nothing began: at the end that is a failure. What has begun
 * sets up, also where its thread has not come that far. */
static const char *status(const struct rj_cli_report *report)
{
	enum ramjet_state state =
		report->asked ? RAMJET_STATE_NONE : RAMJET_STATE_FAILED;

	if (report->info)
		state = report->info->state == RAMJET_STATE_NONE
				? RAMJET_STATE_SETUP
				: report->info->state;
	return ramjet_state_name(state);
}

static void add_outcome(json_t *object, const struct rj_cli_report *report)
{
	const struct rj_cli_command_line *line = report->line;
	const struct ramjet_info *info = report->info;
	const char *uri = report->uri ? report->uri : line->uri;

	if (!uri && info)
		uri = info->uri;
	add(object, "status", json_string(status(report)));
	add(object, "error",
	    rj_json_text_or_null(report->error && report->error->code
					 ? report->error->message
					 : NULL));
	add(object, "exit_status", exit_status(report));
	add(object, "uri", rj_json_text_or_null(uri));
	add(object, "role",
	    json_string((info ? !info->outgoing : line->command == RJ_CLI_RECV)
				? "target"
				: "source"));
	add(object, "guest",
	    rj_json_text_or_null(line->has_guest ? line->guest.text : NULL));
}

static void add_times(json_t *object, const struct ramjet_info *info,
		      const struct ramjet_params *params)
{
	uint64_t limit_us = info->downtime_limit_us;
	const bool predicted = rj_cli_knows(info, RAMJET_KNOWN_PREDICTION);

	add(object, "total_ms", ms(info->total_us));
	add(object, "setup_ms", ms(info->setup_us));
	add(object, "downtime_ms",
	    if_known(rj_cli_knows(info, RAMJET_KNOWN_DOWNTIME),
		     ms(info->downtime_us)));
	add(object, "guest_downtime_ms",
	    if_known(rj_cli_knows(info, RAMJET_KNOWN_GUEST_DOWNTIME),
		     ms(info->guest_downtime_us)));
	add(object, "path_rtt_ms",
	    if_known(rj_cli_knows(info, RAMJET_KNOWN_PATH_RTT),
		     ms(info->path_rtt_us)));
	add(object, "downtime_limit_ms",
	    ms(limit_us ? limit_us : params->downtime_limit_us));
	add(object, "downtime_predicted_ms",
	    json_pack("{s:o, s:o}", "p50",
		      if_known(predicted, ms(info->downtime_p50_us)), "p90",
		      if_known(predicted, ms(info->downtime_p90_us))));
	add(object, "downtime_terms", terms_array(info));
}

static void add_rates(json_t *object, const struct ramjet_info *info)
{
	const bool capacity = rj_cli_knows(info, RAMJET_KNOWN_CAPACITY);

	add(object, "throughput_bytes_per_s",
	    if_known(rj_cli_knows(info, RAMJET_KNOWN_THROUGHPUT),
		     whole(info->throughput_bytes_per_s)));
	add(object, "current_bytes_per_s",
	    if_known(rj_cli_knows(info, RAMJET_KNOWN_CURRENT_RATE),
		     whole(info->current_bytes_per_s)));
	add(object, "dirty_pages_per_s",
	    if_known(rj_cli_knows(info, RAMJET_KNOWN_DIRTY_RATE),
		     whole(info->dirty_pages_per_s)));
	add(object, "capacity_bytes_per_s",
	    json_pack("{s:o, s:o}", "mean",
		      if_known(capacity, whole(info->capacity_bytes_per_s)),
		      "spread",
		      if_known(capacity,
			       whole(info->capacity_spread_bytes_per_s))));
	/* null, and "convergence" among `known`: never. */
	add(object, "convergence_ms",
	    if_known(rj_cli_knows(info, RAMJET_KNOWN_CONVERGENCE) &&
			     info->convergence_us != UINT64_MAX,
		     ms(info->convergence_us)));
}

static void add_work(json_t *object, const struct ramjet_info *info)
{
	add(object, "ram", ram_object(info));
	add(object, "rounds", rounds_array(info));
	add(object, "rounds_total", whole(info->rounds_total));
	add(object, "channels", channels_array(info));
	add_rates(object, info);
	add(object, "known", rj_cli_known_show(info));
	add(object, "throttle_percent", json_integer(info->throttle_percent));
	add(object, "helpers", helpers_array(info));
	add(object, "fast_paths", fast_paths_array(info));
	add(object, "cpu_s",
	    json_pack("{s:o, s:o}", "control", seconds(info->control_cpu_us),
		      "workers", seconds(info->workers_cpu_us)));
	add(object, "verify", verify_object(info));
	add(object, "limit_needed_ms",
	    info->limit_needed_us ? ms(info->limit_needed_us) : json_null());
	add(object, "called_off", json_integer(info->called_off));
	add(object, "control_reconnects", whole(info->control_reconnects));
	add(object, "lanes_lost", json_integer(info->lanes_lost));
	add(object, "lanes_rejoined", json_integer(info->lanes_rejoined));
	add(object, "guest_stall_ms", ms(info->guest_stall_us));
	add(object, "throttled_ms", ms(info->throttled_us));
}

json_t *rj_cli_report_build(const struct rj_cli_report *report)
{
	static const struct ramjet_info nothing = {
		.convergence_us = UINT64_MAX, /* never */
	};
	const struct ramjet_info *info = report->info ? report->info : &nothing;
	json_t *object = json_object();

	if (!object)
		return NULL;
	add_outcome(object, report);
	add_times(object, info, &report->line->params);
	add_work(object, info);
	rj_cli_savings_add(object, report->savings);
	add(object, "self_check", self_check_object(report));
	if (report->target)
		(void)json_object_set(object, "target", report->target);
	return object;
}
