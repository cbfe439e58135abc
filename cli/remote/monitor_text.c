/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/remote/monitor_text.h"

#include <stdarg.h>
#include <string.h>

#include "cli/base/human.h"
#include "cli/base/json_text.h"
#include "cli/base/terminal.h"
#include "cli/report/known.h"
#include "ramjet.h"
#include "util/compiler.h"

#define ROUNDS_SHOWN 8u

RJ_PRINTF(3, 4)
static void line(FILE *out, const char *label, const char *format, ...)
{
	va_list args;

	(void)fprintf(out, "  %s%-10s%s ", rj_cli_ink(out, RJ_CLI_BOLD), label,
		      rj_cli_ink(out, RJ_CLI_PLAIN));
	va_start(args, format);
	rj_cli_vsay(out, format, args);
	va_end(args);
}

static const json_t *member(const json_t *object, const char *name)
{
	return json_object_get(object, name);
}

static const char *text(const json_t *object, const char *name)
{
	const char *value = json_string_value(member(object, name));

	return value ? value : "";
}

static uint64_t whole(const json_t *object, const char *name)
{
	json_int_t value = json_integer_value(member(object, name));

	return value > 0 ? (uint64_t)value : 0;
}

/* The report's times are ms with a fraction. */
static uint64_t us(const json_t *object, const char *name)
{
	return rj_json_scaled(member(object, name), 1000);
}

static bool is_known(const json_t *object, const char *name)
{
	return json_is_number(member(object, name));
}

/* That rate, or "-". */
static const char *rate(const json_t *report, const char *name, unsigned unit,
			char text[RJ_CLI_HUMAN_BYTES])
{
	rj_cli_human_rate(whole(report, name) * unit, text);
	return rj_cli_human_if(is_known(report, name), text);
}

/* That time, or "-". */
static const char *span(const json_t *object, const char *name,
			char text[RJ_CLI_HUMAN_BYTES])
{
	rj_cli_human_time(us(object, name), text);
	return rj_cli_human_if(is_known(object, name), text);
}

/* Then nothing is "now" any more. */
static bool is_over(const json_t *migration)
{
	static const char *const ends[] = { "completed", "failed", "cancelled",
					    "unconfirmed" };
	const char *state = text(migration, "x-ramjet-state");

	for (size_t i = 0; i < RJ_ARRAY_SIZE(ends); i++)
		if (!strcmp(state, ends[i]))
			return true;
	return false;
}

static void print_rates(const json_t *report, const json_t *migration,
			FILE *out)
{
	bool over = is_over(migration);
	char wire[RJ_CLI_HUMAN_BYTES], dirt[RJ_CLI_HUMAN_BYTES];

	line(out, "rates",
	     over ? "%s over the whole run, the guest dirtied %s at last"
		  : "%s now, the guest dirties %s",
	     rate(report,
		  over ? "throughput_bytes_per_s" : "current_bytes_per_s", 1,
		  wire),
	     rate(report, "dirty_pages_per_s", RAMJET_PAGE_BYTES, dirt));
}

static void print_memory(const json_t *report, FILE *out)
{
	const json_t *ram = member(report, "ram");
	char total[RJ_CLI_HUMAN_BYTES], sent[RJ_CLI_HUMAN_BYTES];
	char left[RJ_CLI_HUMAN_BYTES], wire[RJ_CLI_HUMAN_BYTES];

	line(out, "memory",
	     "%s of guest RAM: %s moved (%s on the wire), %s left",
	     rj_cli_human_size(whole(ram, "total_bytes"), total),
	     rj_cli_human_size(whole(ram, "transferred_bytes"), sent),
	     rj_cli_human_size(whole(ram, "wire_bytes"), wire),
	     rj_cli_human_if(
		     is_known(ram, "remaining_bytes"),
		     rj_cli_human_size(whole(ram, "remaining_bytes"), left)));
}

static void print_pages(const json_t *report, FILE *out)
{
	const json_t *ram = member(report, "ram");
	char normal[RJ_CLI_HUMAN_BYTES], zero[RJ_CLI_HUMAN_BYTES];
	char never[RJ_CLI_HUMAN_BYTES], compressed[RJ_CLI_HUMAN_BYTES];
	char deltas[RJ_CLI_HUMAN_BYTES];

	line(out, "pages",
	     "%s normal, %s zero, %s compressed, %s as deltas, %s never "
	     "touched",
	     rj_cli_human_count(whole(ram, "normal_pages"), normal),
	     rj_cli_human_count(whole(ram, "zero_pages"), zero),
	     rj_cli_human_count(whole(ram, "compressed_pages"), compressed),
	     rj_cli_human_count(whole(ram, "delta_pages"), deltas),
	     rj_cli_human_count(whole(ram, "unpopulated_pages"), never));
}

static void print_saved(const json_t *report, FILE *out)
{
	const json_t *ram = member(report, "ram");
	const json_t *compression = member(report, "compression");
	const json_t *ratio = member(compression, "ratio");
	char saved[RJ_CLI_HUMAN_BYTES], zstd[64] = "no zstd";
	char deltas[RJ_CLI_HUMAN_BYTES];

	if (!whole(ram, "saved_bytes"))
		return;
	if (json_is_number(ratio))
		(void)snprintf(zstd, sizeof(zstd), "zstd: %.1fx, %.1f CPU s",
			       json_number_value(ratio),
			       json_number_value(member(compression, "cpu_s")));
	line(out, "saved", "%s (%s; %s as deltas)",
	     rj_cli_human_size(whole(ram, "saved_bytes"), saved), zstd,
	     rj_cli_human_count(whole(ram, "delta_pages"), deltas));
}

static void print_pause(const json_t *report, const json_t *migration,
			FILE *out)
{
	const char *state = text(migration, "x-ramjet-state");
	const json_t *predicted = member(report, "downtime_predicted_ms");
	char p50[RJ_CLI_HUMAN_BYTES], p90[RJ_CLI_HUMAN_BYTES];
	char limit[RJ_CLI_HUMAN_BYTES], actual[RJ_CLI_HUMAN_BYTES];
	const char *typical = span(predicted, "p50", p50);
	const char *mostly = span(predicted, "p90", p90);

	rj_cli_human_time(us(report, "downtime_limit_ms"), limit);
	if (is_known(report, "downtime_ms"))
		line(out, "pause",
		     "%s (predicted %s, 9 in 10 below %s; limit %s)",
		     span(report, "downtime_ms", actual), typical, mostly,
		     limit);
	else if (!strcmp(state, "unconfirmed"))
		line(out, "pause", "not known: its end was not reported");
	else if (is_over(migration))
		line(out, "pause", "none, the guest stayed; limit %s", limit);
	else if (!is_known(predicted, "p90"))
		line(out, "pause", "not predicted yet; limit %s", limit);
	else
		line(out, "pause",
		     "%s if it began now, 9 in 10 below %s; limit %s", typical,
		     mostly, limit);
}

static bool knows(const json_t *report, uint64_t figure)
{
	return rj_cli_known_read(member(report, "known")) & figure;
}

static void print_fit(const json_t *report, const json_t *migration, FILE *out)
{
	const json_t *fit = member(report, "convergence_ms");
	char time[RJ_CLI_HUMAN_BYTES];

	if (!knows(report, RAMJET_KNOWN_CONVERGENCE) ||
	    is_known(report, "downtime_ms") || is_over(migration))
		return;
	if (json_is_number(fit) && json_number_value(fit) > 0)
		line(out, "", "fits the limit in %s at this pace",
		     rj_cli_human_time(us(report, "convergence_ms"), time));
	else
		line(out, "", "%s",
		     json_is_number(fit) ? "fits the limit now"
					 : "never fits the limit at this pace");
	if (json_is_number(member(report, "limit_needed_ms")))
		line(out, "", "the limit is out of reach: %s would do",
		     rj_cli_human_time(us(report, "limit_needed_ms"), time));
}

static void print_terms(const json_t *report, FILE *out)
{
	char predicted[RJ_CLI_HUMAN_BYTES], actual[RJ_CLI_HUMAN_BYTES];
	const json_t *term;
	size_t index;

	json_array_foreach(member(report, "downtime_terms"), index, term)
		line(out, index ? "" : "its terms",
		     "%-20s %12s predicted %12s actual", text(term, "name"),
		     span(term, "predicted_ms", predicted),
		     span(term, "actual_ms", actual));
}

static void print_rounds(const json_t *report, FILE *out)
{
	const json_t *rounds = member(report, "rounds");
	size_t count = json_array_size(rounds);
	size_t first = count > ROUNDS_SHOWN ? count - ROUNDS_SHOWN : 0;
	uint64_t total = whole(report, "rounds_total");
	uint64_t before = total > count ? total - count : 0;

	for (size_t i = first; i < count; i++) {
		const json_t *round = json_array_get(rounds, i);
		char size[RJ_CLI_HUMAN_BYTES], time[RJ_CLI_HUMAN_BYTES];
		char dirt[RJ_CLI_HUMAN_BYTES];

		line(out, i == first ? "rounds" : "",
		     "%4llu: %10s in %-9s %10s dirtied meanwhile",
		     (unsigned long long)(before + i + 1),
		     rj_cli_human_size(
			     whole(round, "pages") * RAMJET_PAGE_BYTES, size),
		     rj_cli_human_time(us(round, "ms"), time),
		     rj_cli_human_size(whole(round, "dirtied_pages") *
					       RAMJET_PAGE_BYTES,
				       dirt));
	}
}

static void print_channels(const json_t *report, FILE *out)
{
	const json_t *channel;
	size_t index;

	json_array_foreach(member(report, "channels"), index, channel)
	{
		char size[RJ_CLI_HUMAN_BYTES], rtt[RJ_CLI_HUMAN_BYTES];

		line(out, index ? "" : "channels", "%zu: %s, %s, round trip %s",
		     index, text(channel, "state"),
		     rj_cli_human_size(whole(channel, "bytes"), size),
		     rj_cli_human_if(
			     is_known(channel, "rtt_us"),
			     rj_cli_human_time(whole(channel, "rtt_us"), rtt)));
	}
}

static void print_paths(const json_t *report, FILE *out)
{
	const json_t *path;
	size_t index;

	json_array_foreach(member(report, "fast_paths"), index, path)
	{
		const char *reason = text(path, "reason");

		line(out, index ? "" : "fast paths", "%s: %s%s%s%s",
		     text(path, "name"), text(path, "chosen"),
		     *reason ? " (" : "", reason, *reason ? ")" : "");
	}
}

static void print_blockers(const json_t *migration, FILE *out)
{
	const json_t *reason;
	size_t index;

	json_array_foreach(member(migration, "blocked-reasons"), index, reason)
		line(out, index ? "" : "blocked", "%s",
		     json_string_value(reason));
}

void rj_cli_monitor_text(const json_t *migration, const json_t *report,
			 FILE *out)
{
	const char *state = text(migration, "x-ramjet-state");
	const char *error = text(migration, "error-desc");
	char time[RJ_CLI_HUMAN_BYTES];

	if (!*state) {
		(void)fprintf(out, "no migration yet\n");
		return;
	}
	(void)fputs(rj_cli_ink(out, RJ_CLI_BOLD), out);
	rj_cli_print_harmless(out, state);
	(void)fputs(rj_cli_ink(out, RJ_CLI_PLAIN), out);
	rj_cli_say(out, " after %s: %s",
		   rj_cli_human_time(us(report, "total_ms"), time),
		   text(migration, "x-ramjet-uri"));
	if (*error)
		line(out, "error", "%s", error);
	print_blockers(migration, out);
	print_memory(report, out);
	print_rates(report, migration, out);
	print_pages(report, out);
	print_saved(report, out);
	if (!strcmp(text(report, "role"), "source")) {
		if (whole(report, "throttle_percent"))
			line(out, "throttle", "%u %% of the vCPUs' time",
			     (unsigned)whole(report, "throttle_percent"));
		print_pause(report, migration, out);
		print_fit(report, migration, out);
		print_terms(report, out);
	}
	print_rounds(report, out);
	print_channels(report, out);
	print_paths(report, out);
}
