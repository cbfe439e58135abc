/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/deltas.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/page/page_copy.h"
#include "util/clock.h"
#include "util/error.h"

/* Chosen: a verdict is about so many pages at least. */
#define JUDGED_PAGES 8192u
/* Against it, in a row. */
#define VERDICTS 2u
/* A page that takes longer than this is worth a look at its copy, which takes, with
 * keeping another one, 1 to 2 us (bench-deltas). */
#define SLOW_PAGE_NS 2500.0
/* Seen over so long: no scheduler's doing. */
#define WINDOW_NS UINT64_C(20000000)

/* Is what was saved worth what it took? A byte takes the time that is left when
 * that for deltas is taken off: on a slow network nearly all of it is waiting. */
static bool pays(const struct rj_deltas_seen *from,
		 const struct rj_deltas_seen *to)
{
	const double delta_ns = (double)(to->delta_ns - from->delta_ns);
	const double other_ns = (double)(to->ns - from->ns) - delta_ns;
	const double bytes = (double)(to->wire_bytes - from->wire_bytes);
	const double saved = (double)(to->saved_bytes - from->saved_bytes);

	return saved * other_ns > delta_ns * bytes;
}

/* While there are some, and once there is enough to go by. */
static void judge(struct rj_deltas *deltas)
{
	const struct rj_deltas_seen *from = &deltas->judged,
				    *to = &deltas->seen;
	const char *why;

	/* Nothing can be saved in the round in which it begins. */
	if (deltas->round == deltas->from)
		deltas->judged = deltas->seen;
	if (to->pages - from->pages < JUDGED_PAGES)
		return;
	deltas->verdicts = pays(from, to) ? 0 : deltas->verdicts + 1;
	why = (to->saved_bytes - from->saved_bytes) / RAMJET_PAGE_BYTES <
			      (to->pages - from->pages) / 16
		      ? "few pages have copies that they resemble"
		      : "sending whole pages takes less time";
	deltas->judged = *to;
	if (deltas->verdicts < VERDICTS ||
	    !rj_delta_cache_end(deltas->cache, deltas->round))
		return;
	deltas->verdicts = 0;
	rj_env_path_now(deltas->env, "deltas", "off", why);
}

static void say_on(const struct rj_deltas *deltas)
{
	struct rj_delta_cache_figures figures;
	char reason[64];

	rj_delta_cache_figures(deltas->cache, &figures);
	(void)snprintf(reason, sizeof(reason), "up to %llu MiB for copies",
		       (unsigned long long)(figures.bytes >> 20));
	rj_env_path_now(deltas->env, "deltas", "on", reason);
}

/* While there are none. */
static void look_for_use(struct rj_deltas *deltas)
{
	const struct rj_deltas_seen *from = &deltas->judged,
				    *to = &deltas->seen;
	const double pages =
		(double)(to->wire_bytes - from->wire_bytes) / RAMJET_PAGE_BYTES;
	const uint64_t ns = to->ns - from->ns;

	if (ns < WINDOW_NS)
		return;
	deltas->judged = *to;
	if ((double)ns > pages * SLOW_PAGE_NS *
				 rj_delta_cache_begun(deltas->cache) &&
	    rj_delta_cache_begin(deltas->cache, deltas->round))
		say_on(deltas);
}

int rj_deltas_new(const struct rj_reduction *reduction,
		  const struct rj_env *env, struct rj_deltas **ret,
		  struct ramjet_error *err)
{
	if (!reduction || !reduction->deltas)
		return 0;
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return rj_fail(err, -ENOMEM, "out of memory");
	(*ret)->cache = reduction->deltas;
	(*ret)->env = env;
	return 0;
}

void rj_deltas_enter(struct rj_deltas *deltas, uint32_t round, bool final)
{
	bool on;

	if (!deltas)
		return;
	deltas->round = round;
	deltas->final = final;
	on = rj_delta_cache_is_on(deltas->cache, round, &deltas->from);
	if (on != deltas->on)
		deltas->judged = deltas->seen;
	deltas->on = on;
}

void rj_deltas_note(struct rj_deltas *deltas, uint64_t ns, uint64_t wire_bytes)
{
	if (!deltas)
		return;
	deltas->seen.ns += ns;
	deltas->seen.wire_bytes = wire_bytes;
	(deltas->on ? judge : look_for_use)(deltas);
}

/* There is room for it: see room_for(). */
static void end_run(struct rj_deltas *deltas, struct rj_out_frame *frame,
		    unsigned block)
{
	uint32_t added;

	if (!deltas->run.count)
		return;
	frame->codec->delta = deltas->coded;
	frame->codec->delta_bytes = deltas->coded_bytes;
	added = rj_out_frame_add(frame, block, deltas->run.pages,
				 deltas->run.page, deltas->run.count,
				 deltas->run.kind);
	assert(added == deltas->run.count);
	(void)added;
	if (deltas->coded_bytes && frame->codec->counters)
		rj_count(&frame->codec->counters->delta_bytes,
			 deltas->coded_bytes);
	deltas->run.count = 0;
	deltas->coded_bytes = 0;
}

/* A page of this kind that lies at `at`; of a DELTA page, what was coded behind
 * the run's has `bytes`. */
static void add_page(struct rj_deltas *deltas, struct rj_out_frame *frame,
		     unsigned block, uint64_t page, const uint8_t *at,
		     enum rj_run_kind kind)
{
	const bool extends = deltas->run.count && deltas->run.kind == kind &&
			     (kind == RJ_RUN_SAME || kind == RJ_RUN_DELTA ||
			      deltas->run.pages + (size_t)deltas->run.count *
							  RAMJET_PAGE_BYTES ==
				      at);

	if (extends) {
		deltas->run.count++;
		return;
	}
	end_run(deltas, frame, block);
	deltas->run.kind = kind;
	deltas->run.pages = at;
	deltas->run.page = page;
	deltas->run.count = 1;
}

/* A delta goes behind those of the run, if it is one of deltas; returns its
 * bytes, 0: there is none. */
static uint32_t code(struct rj_deltas *deltas, struct rj_out_frame *frame,
		     unsigned block, uint64_t sum)
{
	struct rj_page_codec *codec = frame->codec;
	const bool zstd = codec->level != RJ_LEVEL_OFF &&
			  rj_reduction_allows(codec->reduction, RJ_RUN_ZSTD);
	uint8_t *out;
	uint32_t bytes;

	if (deltas->coded_bytes + RJ_DELTA_HEAD_BYTES + RJ_DELTA_BYTES_MAX >
	    sizeof(deltas->coded))
		end_run(deltas, frame, block);
	out = deltas->coded + deltas->coded_bytes;
	bytes = rj_delta_encode(&codec->deltas, deltas->base, deltas->copy,
				zstd, out + RJ_DELTA_HEAD_BYTES);
	if (!bytes)
		return 0;
	rj_delta_run_head(out, sum, bytes);
	return bytes + RJ_DELTA_HEAD_BYTES;
}

static void keep(struct rj_deltas *deltas, unsigned block, uint64_t page,
		 const uint8_t *copy)
{
	/* Nobody builds on what the last round sends. */
	if (!deltas->final)
		rj_delta_cache_keep(deltas->cache, block, page, deltas->round,
				    copy);
}

/* There is a copy to build on, in deltas->base. */
static void add_built(struct rj_deltas *deltas, struct rj_out_frame *frame,
		      unsigned block, const uint8_t *from, uint64_t page,
		      uint64_t sum, enum rj_run_kind kind)
{
	uint32_t bytes = 0;

	rj_page_copy(deltas->copy, from, RAMJET_PAGE_BYTES);
	if (!memcmp(deltas->copy, deltas->base, RAMJET_PAGE_BYTES)) {
		add_page(deltas, frame, block, page, from, RJ_RUN_SAME);
	} else {
		bytes = code(deltas, frame, block, sum);
		/* It would resemble its copy as little the next time: that is
		 * not put back. */
		if (!bytes) {
			add_page(deltas, frame, block, page, from, kind);
			return;
		}
		/* The run that ends here has none of these bytes. */
		if (deltas->run.kind != RJ_RUN_DELTA)
			end_run(deltas, frame, block);
		add_page(deltas, frame, block, page, from, RJ_RUN_DELTA);
		deltas->coded_bytes += bytes;
	}
	deltas->seen.saved_bytes += RAMJET_PAGE_BYTES - bytes;
	keep(deltas, block, page, deltas->copy);
}

static void add_any(struct rj_deltas *deltas, struct rj_out_frame *frame,
		    unsigned block, const uint8_t *from, uint64_t page,
		    enum rj_run_kind kind)
{
	uint64_t sum = 0;

	switch (rj_delta_cache_take(deltas->cache, block, page, deltas->round,
				    deltas->from, deltas->base, &sum)) {
	case RJ_DELTA_BASE:
		add_built(deltas, frame, block, from, page, sum, kind);
		break;
	case RJ_DELTA_KEEP:
		if (!deltas->final) {
			from = rj_out_frame_own(frame, from, 1);
			keep(deltas, block, page, from);
		}
		add_page(deltas, frame, block, page, from, kind);
		break;
	case RJ_DELTA_PASS:
		add_page(deltas, frame, block, page, from, kind);
		break;
	}
}

/* So many surely fit, whatever becomes of them. */
static uint32_t room_for(const struct rj_out_frame *frame, unsigned block,
			 uint64_t page, uint32_t count)
{
	const uint32_t room = rj_out_frame_room(frame, block, page);
	const uint32_t own = frame->codec->frame_bytes / RAMJET_PAGE_BYTES -
			     frame->own_pages;

	count = count < room ? count : room;
	return count < own ? count : own;
}

/* What nothing shorter can be said of. */
static uint32_t add_content(struct rj_deltas *deltas,
			    struct rj_out_frame *frame, unsigned block,
			    const uint8_t *pages, uint64_t page, uint32_t count,
			    enum rj_run_kind kind)
{
	const uint64_t saved = deltas->seen.saved_bytes;
	const uint64_t began_ns = rj_now_ns();

	count = room_for(frame, block, page, count);
	for (uint32_t i = 0; i < count; i++)
		add_any(deltas, frame, block,
			pages + (size_t)i * RAMJET_PAGE_BYTES, page + i, kind);
	deltas->seen.delta_ns += rj_now_ns() - began_ns;
	deltas->seen.pages += count;
	rj_delta_cache_saved(deltas->cache, deltas->seen.saved_bytes - saved);
	end_run(deltas, frame, block);
	return count;
}

uint32_t rj_deltas_add(struct rj_deltas *deltas, struct rj_out_frame *frame,
		       unsigned block, const uint8_t *pages, uint64_t page,
		       uint32_t count, enum rj_run_kind kind)
{
	const bool content = kind == RJ_RUN_RAW || kind == RJ_RUN_ZSTD;

	if (!deltas)
		return rj_out_frame_add(frame, block, pages, page, count, kind);
	if (content && deltas->on)
		return add_content(deltas, frame, block, pages, page, count,
				   kind);
	count = rj_out_frame_add(frame, block, pages, page, count, kind);
	if (deltas->on)
		rj_delta_cache_drop(deltas->cache, block, page, count,
				    deltas->round);
	else if (content)
		rj_delta_cache_pass(deltas->cache, block, page, count);
	return count;
}
