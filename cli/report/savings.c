/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/report/savings.h"

#include <stdarg.h>
#include <string.h>

#include "cli/base/human.h"
#include "util/compiler.h"

static const struct ramjet_savings nothing;

static json_t *whole(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *seconds(uint64_t us)
{
	return json_real((double)us / 1000000);
}

static uint64_t above(uint64_t more, uint64_t less)
{
	return more > less ? more - less : 0;
}

static void add(json_t *object, const char *name, json_t *value)
{
	(void)json_object_set_new(object, name, value);
}

/* null: none. */
static json_t *level(int32_t level)
{
	return level == RAMJET_LEVEL_OFF ? json_null() : json_integer(level);
}

static json_t *levels_array(const struct ramjet_savings *s)
{
	json_t *array = json_array();

	for (size_t i = 0; i < s->level_count; i++) {
		const struct ramjet_level *change = RAMJET_AT(s->levels, i);

		(void)json_array_append_new(
			array, json_pack("{s:f, s:i, s:o}", "ms",
					 (double)change->since_us / 1000,
					 "channel", (int)change->channel,
					 "level", level(change->level)));
	}
	return array;
}

static int32_t latest_level(const struct ramjet_savings *s)
{
	return s->level_count ? RAMJET_AT(s->levels, s->level_count - 1)->level
			      : RAMJET_LEVEL_OFF;
}

/* null: zstd was given nothing. */
static json_t *ratio(const struct ramjet_savings *s)
{
	return s->zstd_out_bytes ? json_real((double)s->zstd_in_bytes /
					     (double)s->zstd_out_bytes)
				 : json_null();
}

static json_t *compression(const struct ramjet_savings *s)
{
	json_t *object = json_object();

	add(object, "level", level(latest_level(s)));
	add(object, "levels", levels_array(s));
	add(object, "levels_total", whole(s->levels_total));
	add(object, "ratio", ratio(s));
	add(object, "in_bytes", whole(s->zstd_in_bytes));
	add(object, "out_bytes", whole(s->zstd_out_bytes));
	add(object, "bytes_saved",
	    whole(above(s->zstd_in_bytes, s->zstd_out_bytes)));
	add(object, "refused_pages", whole(s->zstd_refused_pages));
	add(object, "cpu_s", seconds(s->zstd_cpu_us));
	return object;
}

static uint64_t saved_by_deltas(const struct ramjet_savings *s)
{
	return above(s->delta_pages * RAMJET_PAGE_BYTES, s->delta_bytes);
}

static json_t *deltas(const struct ramjet_savings *s)
{
	json_t *object = json_object();

	add(object, "pages", whole(s->delta_pages));
	add(object, "bytes", whole(s->delta_bytes));
	add(object, "bytes_saved", whole(saved_by_deltas(s)));
	add(object, "cache_bytes", whole(s->cache_bytes));
	add(object, "cache_pages", whole(s->cache_pages));
	add(object, "cache_hits", whole(s->cache_hits));
	add(object, "cache_misses", whole(s->cache_misses));
	add(object, "cache_evictions", whole(s->cache_evictions));
	return object;
}

static json_t *hot_pages(const struct ramjet_savings *s)
{
	return json_pack("{s:o, s:o, s:o}", "most", whole(s->hot_most_pages),
			 "spared", whole(s->hot_spared_pages), "skipped",
			 whole(s->hot_skipped_pages));
}

static uint64_t saved(const struct ramjet_savings *s)
{
	return above(s->full_bytes, s->payload_bytes);
}

void rj_cli_savings_add(json_t *report, const struct ramjet_savings *savings)
{
	const struct ramjet_savings *s = savings ? savings : &nothing;
	json_t *ram = json_object_get(report, "ram");

	add(ram, "word_pages", whole(s->word_pages));
	add(ram, "saved_bytes", whole(saved(s)));
	add(report, "compression", compression(s));
	add(report, "deltas", deltas(s));
	add(report, "hot_pages", hot_pages(s));
}

void rj_cli_savings_add_to_query(json_t *reply,
				 const struct ramjet_savings *savings)
{
	const struct ramjet_savings *s = savings ? savings : &nothing;
	json_t *ram = json_object_get(reply, "ram");

	add(ram, "x-ramjet-word", whole(s->word_pages));
	add(ram, "x-ramjet-saved-bytes", whole(saved(s)));
	add(reply, "x-ramjet-compression", compression(s));
	add(reply, "x-ramjet-deltas", deltas(s));
	add(reply, "x-ramjet-hot-pages", hot_pages(s));
}

/* ---- for people ---- */

RJ_PRINTF(2, 3)
static void append(char text[RJ_CLI_SAVED_BYTES], const char *format, ...)
{
	const size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text + used, RJ_CLI_SAVED_BYTES - used, format, args);
	va_end(args);
}

/* " 3", " -5 to 3", or "" when no level is known (a target). */
static void append_levels(char text[RJ_CLI_SAVED_BYTES],
			  const struct ramjet_savings *s)
{
	int32_t least = INT32_MAX, most = INT32_MIN;

	for (size_t i = 0; i < s->level_count; i++) {
		const int32_t l = RAMJET_AT(s->levels, i)->level;

		if (l == RAMJET_LEVEL_OFF)
			continue;
		least = l < least ? l : least;
		most = l > most ? l : most;
	}
	if (least > most)
		return;
	append(text, " %d", least);
	if (most > least)
		append(text, " to %d", most);
}

static void append_zstd(char text[RJ_CLI_SAVED_BYTES],
			const struct ramjet_savings *s)
{
	append(text, "zstd");
	append_levels(text, s);
	append(text, ": %.1fx, %.1f CPU s",
	       (double)s->zstd_in_bytes / (double)s->zstd_out_bytes,
	       (double)s->zstd_cpu_us / 1e6);
}

static void append_count(char text[RJ_CLI_SAVED_BYTES], const char *before,
			 uint64_t count, const char *one, const char *more)
{
	char number[RJ_CLI_HUMAN_BYTES];

	if (count)
		append(text, "%s%s %s", before,
		       rj_cli_human_count(count, number),
		       count == 1 ? one : more);
}

const char *rj_cli_savings_text(const struct ramjet_savings *savings,
				char text[RJ_CLI_SAVED_BYTES])
{
	const struct ramjet_savings *s = savings ? savings : &nothing;
	char less[RJ_CLI_HUMAN_BYTES], full[RJ_CLI_HUMAN_BYTES];
	const char *between = "";

	*text = '\0';
	if (!s->word_pages && !s->zstd_out_bytes && !s->delta_pages)
		return text;
	append(text, "%s of %s (", rj_cli_human_size(saved(s), less),
	       rj_cli_human_size(s->full_bytes, full));
	if (s->zstd_out_bytes) {
		append_zstd(text, s);
		between = "; ";
	}
	append_count(text, between, s->delta_pages, "delta", "deltas");
	between = s->zstd_out_bytes || s->delta_pages ? "; " : "";
	append_count(text, between, s->word_pages, "page of one word",
		     "pages of one word");
	append(text, ")");
	return text;
}
