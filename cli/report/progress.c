/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/report/progress.h"

#include <assert.h>
#include <stdarg.h>

#include "cli/base/human.h"
#include "cli/base/terminal.h"
#include "cli/report/known.h"
#include "util/clock.h"

#define SECOND_NS  1000000000u
#define RATE_NS    500000000u
#define TEXT_BYTES 160
#define BAR_CELLS  6
/* Longer waits are not shown: they are no prediction. */
#define FITS_US_MAX (UINT64_C(86400) * 1000000)
/* Rounds beyond these get a line a second at most, and only beside a live
 * line: a held migration makes thousands. */
#define ROUNDS_SAID_MAX 12u
/* How long a reader may take nothing at all. */
#define PATIENCE_MS 1000u

void rj_cli_progress_init(struct rj_cli_progress *p,
			  enum rj_cli_progress_style style, FILE *out)
{
	FILE *stream = NULL;

	*p = (struct rj_cli_progress){ .screen = out,
				       .out = out,
				       .style = style };
	(void)fflush(out);
	if (fileno(out) >= 0)
		p->outlet = rj_cli_outlet_new(fileno(out));
	if (p->outlet)
		stream = rj_cli_outlet_stream(p->outlet);
	if (stream)
		p->out = stream;
	if (style == RJ_CLI_PROGRESS_AUTO)
		p->style = rj_cli_is_terminal(out) ? RJ_CLI_PROGRESS_BAR
						   : RJ_CLI_PROGRESS_PLAIN;
	rj_mutex_init(&p->lock);
	p->begun_ns = rj_now_ns();
	p->last_line_ns = p->begun_ns;
	p->rate_ns = p->begun_ns;
}

void rj_cli_progress_done(struct rj_cli_progress *p)
{
	if (p->out != p->screen)
		(void)fclose(p->out);
	p->out = p->screen;
	(void)rj_cli_outlet_close(p->outlet, PATIENCE_MS);
	p->outlet = NULL;
	rj_mutex_done(&p->lock);
}

void rj_cli_progress_drain(struct rj_cli_progress *p)
{
	(void)rj_cli_outlet_drain(p->outlet, PATIENCE_MS);
}

void rj_cli_progress_restart(struct rj_cli_progress *p)
{
	rj_lock(&p->lock);
	p->rounds_seen = p->rounds_said = 0;
	p->rate_bytes = 0;
	p->rate_known = false;
	p->begun_ns = p->last_line_ns = rj_now_ns();
	rj_unlock(&p->lock);
}

static void wipe_locked(struct rj_cli_progress *p) RJ_REQUIRES(p->lock)
{
	if (p->live)
		(void)fputs("\r\033[K", p->out);
	p->live = false;
}

static void say_round_locked(struct rj_cli_progress *p, uint64_t number,
			     const struct ramjet_round_info *round,
			     bool outgoing) RJ_REQUIRES(p->lock)
{
	char size[RJ_CLI_HUMAN_BYTES], time[RJ_CLI_HUMAN_BYTES];
	char rate[RJ_CLI_HUMAN_BYTES], dirt[RJ_CLI_HUMAN_BYTES];
	uint64_t us = round->us ? round->us : 1;

	rj_cli_human_size(round->pages * RAMJET_PAGE_BYTES, size);
	rj_cli_human_time(round->us, time);
	rj_cli_human_rate((uint64_t)((double)round->pages * RAMJET_PAGE_BYTES *
				     1e6 / (double)us),
			  rate);
	rj_cli_human_size(round->dirtied_pages * RAMJET_PAGE_BYTES, dirt);
	wipe_locked(p);
	(void)fprintf(p->out, "  round %-3llu %10s in %-9s %12s",
		      (unsigned long long)number, size, time, rate);
	/* The target doesn't know. */
	if (outgoing)
		(void)fprintf(p->out, "   %10s dirtied", dirt);
	(void)fputc('\n', p->out);
	p->last_line_ns = rj_now_ns();
	p->rounds_said++;
}

static bool says_rounds(const struct rj_cli_progress *p)
{
	return p->style == RJ_CLI_PROGRESS_BAR ||
	       (p->style == RJ_CLI_PROGRESS_PLAIN && p->every_round);
}

static void say_rounds_locked(struct rj_cli_progress *p,
			      const struct ramjet_info *info)
	RJ_REQUIRES(p->lock)
{
	uint64_t first = info->rounds_total - info->round_count;

	if (p->rounds_seen < first)
		p->rounds_seen = first;
	for (; p->rounds_seen < info->rounds_total; p->rounds_seen++) {
		uint64_t at = p->rounds_seen - first;
		bool due = p->style == RJ_CLI_PROGRESS_BAR &&
			   info->state != RAMJET_STATE_HELD &&
			   rj_now_ns() - p->last_line_ns >= SECOND_NS;

		if (says_rounds(p) && (p->rounds_said < ROUNDS_SAID_MAX || due))
			say_round_locked(p, p->rounds_seen + 1,
					 RAMJET_AT(info->rounds, at),
					 info->outgoing);
	}
}

/* The library knows a rate at the end of a round, which may be long. */
static void measure_rate_locked(struct rj_cli_progress *p,
				const struct ramjet_info *info)
	RJ_REQUIRES(p->lock)
{
	uint64_t now = rj_now_ns(), bytes = info->ram_transferred_bytes;
	uint64_t span = now - p->rate_ns;

	if (p->rate_bytes && span < RATE_NS)
		return;
	p->bytes_per_s = info->current_bytes_per_s;
	p->rate_known = rj_cli_knows(info, RAMJET_KNOWN_CURRENT_RATE);
	if (p->rate_bytes && bytes >= p->rate_bytes) {
		p->rate_known = true;
		p->bytes_per_s = (uint64_t)((double)(bytes - p->rate_bytes) *
					    1e9 / (double)span);
	}
	p->rate_bytes = bytes;
	p->rate_ns = now;
}

/* What it comes to: the pause if it began now, or why it doesn't. */
static void describe_pause(const struct ramjet_info *info, char *text,
			   size_t bytes)
{
	char pause[RJ_CLI_HUMAN_BYTES], span[RJ_CLI_HUMAN_BYTES];
	char left[RJ_CLI_HUMAN_BYTES];

	if (!rj_cli_knows(info, RAMJET_KNOWN_PREDICTION)) {
		rj_cli_human_size(info->ram_remaining_bytes, left);
		(void)snprintf(text, bytes, "left %s  pause -", left);
		return;
	}
	rj_cli_human_span(info->downtime_p50_us, info->downtime_p90_us, pause);
	if (info->downtime_p90_us <= info->downtime_limit_us)
		(void)snprintf(
			text, bytes, "left %s  pause %s",
			rj_cli_human_size(info->ram_remaining_bytes, left),
			pause);
	else if (info->limit_needed_us)
		(void)snprintf(text, bytes, "pause %s, needs %s", pause,
			       rj_cli_human_time(info->limit_needed_us, span));
	else if (!rj_cli_knows(info, RAMJET_KNOWN_CONVERGENCE))
		(void)snprintf(text, bytes, "pause %s", pause);
	else if (info->convergence_us > FITS_US_MAX)
		(void)snprintf(text, bytes, "pause %s, does not fit", pause);
	else
		(void)snprintf(text, bytes, "pause %s, fits in %s", pause,
			       rj_cli_human_time(info->convergence_us, span));
}

/* What moves right now, without its beginning. */
static void describe_locked(const struct rj_cli_progress *p,
			    const struct ramjet_info *info, char *text,
			    size_t bytes) RJ_REQUIRES(p->lock)
{
	char now[RJ_CLI_HUMAN_BYTES], dirty[RJ_CLI_HUMAN_BYTES];
	const char *rate = rj_cli_human_if(
		p->rate_known, rj_cli_human_rate(p->bytes_per_s, now));
	char left[RJ_CLI_HUMAN_BYTES], pause[TEXT_BYTES / 2];
	char slow[16] = "";

	if (!info->outgoing) {
		rj_cli_human_size(info->ram_transferred_bytes, left);
		(void)snprintf(text, bytes, "%s  received %s", rate, left);
		return;
	}
	/* What the first round shows, isn't known before its end. */
	if (!info->rounds_total) {
		rj_cli_human_size(info->ram_remaining_bytes, left);
		(void)snprintf(text, bytes, "%s  left %s", rate, left);
		return;
	}
	rj_cli_human_rate(info->dirty_pages_per_s * RAMJET_PAGE_BYTES, dirty);
	describe_pause(info, pause, sizeof(pause));
	if (info->throttle_percent)
		(void)snprintf(slow, sizeof(slow), " -%u%%",
			       info->throttle_percent);
	(void)snprintf(
		text, bytes, "%s  dirty %s%s  %s", rate,
		rj_cli_human_if(rj_cli_knows(info, RAMJET_KNOWN_DIRTY_RATE),
				dirty),
		slow, pause);
}

/* Of the memory that is to move, what is over there. */
static unsigned cells_done(const struct ramjet_info *info)
{
	uint64_t total = info->ram_total_bytes;
	uint64_t there = info->ram_transferred_bytes;

	if (info->outgoing)
		there = info->ram_remaining_bytes < total
				? total - info->ram_remaining_bytes
				: 0;
	if (there >= total)
		return total ? BAR_CELLS : 0;
	return (unsigned)((double)there / (double)total * BAR_CELLS);
}

static void draw_bar(const struct ramjet_info *info, char bar[BAR_CELLS + 1])
{
	static_assert(BAR_CELLS == 6, "as wide as the words");
	for (unsigned i = 0; i < BAR_CELLS; i++)
		bar[i] = i < cells_done(info) ? '#' : '.';
	bar[BAR_CELLS] = '\0';
	if (info->state == RAMJET_STATE_HELD)
		(void)snprintf(bar, BAR_CELLS + 1, " held ");
	else if (info->state == RAMJET_STATE_SWITCHOVER)
		(void)snprintf(bar, BAR_CELLS + 1, "switch");
}

static bool nothing_moves(const struct ramjet_info *info)
{
	return info->state == RAMJET_STATE_SETUP ||
	       info->state == RAMJET_STATE_NONE;
}

static void say_live_locked(struct rj_cli_progress *p,
			    const struct ramjet_info *info) RJ_REQUIRES(p->lock)
{
	char bar[BAR_CELLS + 1], rest[TEXT_BYTES], line[2 * TEXT_BYTES];

	if (nothing_moves(info)) {
		(void)snprintf(line, sizeof(line), "  %s",
			       info->outgoing ? "connecting" : "waiting");
	} else {
		draw_bar(info, bar);
		describe_locked(p, info, rest, sizeof(rest));
		(void)snprintf(line, sizeof(line), " %2llu [%s] %s",
			       (unsigned long long)info->rounds_total + 1, bar,
			       rest);
	}
	wipe_locked(p);
	/* All of it is ASCII. The last column stays empty: a cursor beyond it
	 * is on the next line on some terminals. */
	(void)fprintf(p->out, "%.*s", (int)rj_cli_columns(p->screen) - 1, line);
	p->live = true;
}

static void say_plain_locked(struct rj_cli_progress *p,
			     const struct ramjet_info *info)
	RJ_REQUIRES(p->lock)
{
	uint64_t now = rj_now_ns();
	char rest[TEXT_BYTES];

	if (now - p->last_line_ns < SECOND_NS || nothing_moves(info))
		return;
	p->last_line_ns = now;
	describe_locked(p, info, rest, sizeof(rest));
	(void)fprintf(p->out, "%.0f s: %s, round %llu: %s\n",
		      (double)(now - p->begun_ns) / 1e9,
		      ramjet_state_name(info->state),
		      (unsigned long long)info->rounds_total + 1, rest);
}

void rj_cli_progress_update(struct rj_cli_progress *p,
			    const struct ramjet_info *info)
{
	rj_lock(&p->lock);
	measure_rate_locked(p, info);
	say_rounds_locked(p, info);
	if (p->style == RJ_CLI_PROGRESS_BAR)
		say_live_locked(p, info);
	else if (p->style == RJ_CLI_PROGRESS_PLAIN)
		say_plain_locked(p, info);
	(void)fflush(p->out);
	rj_unlock(&p->lock);
}

void rj_cli_progress_finish(struct rj_cli_progress *p,
			    const struct ramjet_info *info)
{
	rj_lock(&p->lock);
	if (info)
		say_rounds_locked(p, info);
	wipe_locked(p);
	(void)fflush(p->out);
	rj_unlock(&p->lock);
}

void rj_cli_progress_note(struct rj_cli_progress *p, const char *format, ...)
{
	va_list args;

	rj_lock(&p->lock);
	wipe_locked(p);
	va_start(args, format);
	rj_cli_vsay(p->out, format, args);
	va_end(args);
	(void)fflush(p->out);
	rj_unlock(&p->lock);
}
