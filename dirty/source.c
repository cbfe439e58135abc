/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/source.h"

#include <errno.h>
#include <stdlib.h>

#include "util/bits.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/options.h"

/* ---- what a source calls ----------------------------------------------- */

RAMJET_API void ramjet_dirty_mark(struct ramjet_dirty_sink *sink,
				  unsigned region, uint64_t first_page,
				  uint64_t page_count)
{
	uint64_t pages =
		region < sink->count ? sink->regions[region].page_count : 0;
	uint64_t room = first_page < pages ? pages - first_page : 0;
	uint64_t inside = page_count < room ? page_count : room;

	/* The part inside is marked even so: sending too much loses nothing. */
	sink->out_of_range += page_count - inside;
	if (inside)
		sink->marked += rj_bitmap_set_run(sink->bitmaps[region],
						  first_page, inside);
}

/* Bits of words[0..count), the first of which is page `first_page`, that
 * stand for pages from `page_count` on. */
static uint64_t bits_past_end(uint64_t page_count, uint64_t first_page,
			      const uint64_t *words, size_t count)
{
	uint64_t at = 0;
	uint64_t bits = 0;

	if (first_page < page_count)
		at = page_count - first_page;
	while (at / RJ_WORD_BITS < count) {
		uint64_t word = words[at / RJ_WORD_BITS];

		bits += rj_popcount(word &
				    (~UINT64_C(0) << (at % RJ_WORD_BITS)));
		at += RJ_WORD_BITS - at % RJ_WORD_BITS;
	}
	return bits;
}

RAMJET_API void ramjet_dirty_mark_words(struct ramjet_dirty_sink *sink,
					unsigned region, uint64_t first_page,
					const uint64_t *words, size_t count)
{
	uint64_t pages =
		region < sink->count ? sink->regions[region].page_count : 0;

	if (first_page % RJ_WORD_BITS) {
		sink->out_of_range++;
		return;
	}
	sink->out_of_range += bits_past_end(pages, first_page, words, count);
	if (first_page < pages)
		sink->marked += rj_bitmap_or_words(sink->bitmaps[region],
						   first_page, words, count);
}

/* ---- handles ----------------------------------------------------------- */

RAMJET_API int ramjet_dirty_new(const struct ramjet_dirty_ops *ops, void *user,
				struct ramjet_dirty_source **ret,
				struct ramjet_error *err)
{
	const size_t least =
		offsetof(struct ramjet_dirty_ops, free) + sizeof(ops->free);
	rj_autofree struct ramjet_dirty_source *source = NULL;
	int rc;

	if (!ret)
		return rj_fail(err, -EINVAL, "dirty source: ret is NULL");
	source = calloc(1, sizeof(*source));
	if (!source)
		return rj_fail(err, -ENOMEM, "dirty source: out of memory");
	rc = rj_options_copy("dirty source: ops", &source->ops,
			     sizeof(source->ops), least, ops, err);
	if (rc)
		return rc;
	if ((source->ops.arm || source->ops.collect_begin) &&
	    !source->ops.collect_part)
		return rj_fail(err, -EINVAL,
			       "dirty source: ops with %s need collect_part",
			       source->ops.arm ? "arm" : "collect_begin");
	if (!source->ops.name || !source->ops.start || !source->ops.collect ||
	    !source->ops.stop)
		return rj_fail(err, -EINVAL,
			       "dirty source: ops need name, start, collect "
			       "and stop");
	source->user = user;
	*ret = rj_steal(source);
	return 0;
}

void rj_dirty_destroy(struct ramjet_dirty_source *source)
{
	if (source->ops.free)
		source->ops.free(source->user);
	free(source);
}

RAMJET_API int ramjet_dirty_free(struct ramjet_dirty_source *source)
{
	if (!source)
		return 0;
	if (source->taken)
		return -EBUSY;
	rj_dirty_destroy(source);
	return 0;
}

/* ---- what the engine calls --------------------------------------------- */

/* The result of a VMM's callback, as an error code. */
static int result_of(const struct ramjet_dirty_source *source, const char *what,
		     int rc, struct ramjet_error *own, struct ramjet_error *err)
{
	if (rj_likely(!rc))
		return 0;
	rc = rj_callback_result(own, what, rc);
	rj_error_prefix(own, "dirty source %s", source->ops.name);
	return rj_fail(err, rc, "%s", own->message);
}

/* 256 MiB. Chosen: some hundred microseconds to walk through, so that the crew
 * ends together. */
#define PIECE_PAGES (UINT64_C(128) * RJ_CHUNK_PAGES)
/* More than so many are made larger: to ask for one costs 1.2 to 1.6 us even
 * where nothing is (2 cores, 6.18), and 12 TiB of which little is used would be
 * asked for 50,000 times: 60 ms. 64 threads still have 32 each. */
#define PIECES_WANTED 2048u

/* No piece is a part of a page, even of 1 GiB: it is protected as a whole, or
 * not at all. */
static uint64_t piece_pages(const struct rj_dirty_set *set)
{
	uint64_t unit = PIECE_PAGES, pages = 0;

	for (unsigned i = 0; i < set->region_count; i++) {
		const uint64_t page =
			set->regions[i].page_bytes / RAMJET_PAGE_BYTES;

		pages += set->regions[i].page_count;
		unit = page > unit ? page : unit;
	}
	return unit * rj_div_round_up(pages ? pages : 1, unit * PIECES_WANTED);
}

static int count_pieces(struct rj_dirty_set *set, struct ramjet_error *err)
{
	uint64_t until = 0;

	set->pieces_until =
		calloc(set->region_count + 1, sizeof(*set->pieces_until));
	if (!set->pieces_until)
		return rj_fail(err, -ENOMEM, "dirty sources: out of memory");
	set->piece_pages = piece_pages(set);
	for (unsigned i = 0; i < set->region_count; i++) {
		until += rj_div_round_up(set->regions[i].page_count,
					 set->piece_pages);
		set->pieces_until[i] = until;
	}
	return 0;
}

/* No source has started. */
static int hold_marks(struct rj_dirty_set *set, unsigned source_count,
		      struct ramjet_error *err)
{
	for (unsigned i = 0; i < source_count; i++)
		if (set->sources[i]->ops.settle)
			return rj_held_init(&set->held, set->regions,
					    set->region_count, err);
	return 0;
}

int rj_dirty_set_start(struct rj_dirty_set *set,
		       struct ramjet_dirty_source **sources,
		       unsigned source_count,
		       const struct ramjet_dirty_region *regions,
		       unsigned region_count, struct ramjet_error *err)
{
	int rc;

	*set = (struct rj_dirty_set){
		.sources = sources,
		.source_count = source_count,
		.regions = regions,
		.region_count = region_count,
	};
	rj_error_clear(err);
	rc = count_pieces(set, err);
	if (rc)
		return rc;
	rc = hold_marks(set, source_count, err);
	if (rc) {
		rj_dirty_set_stop(set);
		return rc;
	}
	for (unsigned i = 0; i < source_count; i++) {
		struct ramjet_dirty_source *source = sources[i];
		struct ramjet_error own = { 0 };

		rc = source->ops.start(source->user, regions, region_count,
				       &own);
		set->started = i + 1;
		rc = result_of(source, "start failed", rc, &own, err);
		if (rc) {
			rj_dirty_set_stop(set);
			return rc;
		}
	}
	return 0;
}

static int check_marks(const struct ramjet_dirty_source *source,
		       const struct ramjet_dirty_sink *sink,
		       struct ramjet_error *err)
{
	if (rj_likely(!sink->out_of_range))
		return 0;
	return rj_fail(err, -ERANGE,
		       "dirty source %s: marked %llu pages outside of the "
		       "blocks",
		       source->ops.name,
		       (unsigned long long)sink->out_of_range);
}

static int collect_whole(struct ramjet_dirty_source *source,
			 struct ramjet_dirty_sink *sink,
			 struct ramjet_error *err)
{
	struct ramjet_error own = { 0 };
	int rc = source->ops.collect(source->user, sink, &own);

	rc = result_of(source, "collect failed", rc, &own, err);
	return rc ? rc : check_marks(source, sink, err);
}

/* ---- collecting by parts ----------------------------------------------- */

/* A member's own, so that nobody counts in another's cache line. */
struct member_sink {
	struct ramjet_dirty_sink sink;
} RJ_CACHE_ALIGNED;

struct part_job {
	struct rj_dirty_set *set;
	const struct rj_dirty_walk *walk;
	struct ramjet_dirty_source *source;
	struct member_sink *sinks; /* one a member of the crew */
};

static int begin_parts(struct ramjet_dirty_source *source,
		       const struct rj_dirty_walk *walk,
		       struct ramjet_error *err)
{
	const uint32_t flags = walk->last ? RAMJET_DIRTY_LAST : 0;
	struct ramjet_error own = { 0 };
	int rc;

	if (!source->ops.collect_begin)
		return 0;
	rc = source->ops.collect_begin(source->user, flags, &own);
	return result_of(source, "collect failed", rc, &own, err);
}

static unsigned region_of(const struct rj_dirty_set *set, uint64_t piece)
{
	unsigned low = 0, high = set->region_count - 1;

	while (low < high) {
		const unsigned middle = (low + high) / 2;

		if (set->pieces_until[middle] <= piece)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t rj_dirty_set_pieces(const struct rj_dirty_set *set)
{
	return set->region_count ? set->pieces_until[set->region_count - 1] : 0;
}

struct ramjet_dirty_part rj_dirty_set_piece(const struct rj_dirty_set *set,
					    uint64_t piece)
{
	const unsigned region = region_of(set, piece);
	const uint64_t before = region ? set->pieces_until[region - 1] : 0;
	const uint64_t pages = set->regions[region].page_count;
	const uint64_t first = (piece - before) * set->piece_pages;
	const uint64_t most = set->piece_pages;

	return (struct ramjet_dirty_part){
		.size = sizeof(struct ramjet_dirty_part),
		.region = region,
		.first_page = first,
		.page_count = pages - first < most ? pages - first : most,
	};
}

static int collect_piece(void *user, unsigned member, uint64_t piece,
			 struct ramjet_error *err)
{
	const struct part_job *job = user;
	struct ramjet_dirty_source *source = job->source;
	struct ramjet_dirty_sink *sink = &job->sinks[member].sink;
	struct ramjet_dirty_part part = rj_dirty_set_piece(job->set, piece);
	struct ramjet_error own = { 0 };
	int rc;

	part.flags = job->walk->last ? RAMJET_DIRTY_LAST : 0;
	rc = source->ops.collect_part(source->user, &part, sink, &own);
	rc = result_of(source, "collect failed", rc, &own, err);
	return rc ? rc : check_marks(source, sink, err);
}

static int collect_parts(struct rj_dirty_set *set,
			 const struct rj_dirty_walk *walk,
			 struct ramjet_dirty_source *source,
			 struct ramjet_dirty_sink *sink,
			 struct ramjet_error *err)
{
	struct rj_crew alone = { .threads = NULL };
	struct rj_crew *crew = walk->crew ? walk->crew : &alone;
	const unsigned members = rj_crew_size(crew);
	struct part_job job = {
		.set = set,
		.walk = walk,
		.source = source,
		.sinks = aligned_alloc(64, members * sizeof(*job.sinks)),
	};
	int rc;

	if (!job.sinks)
		return rj_fail(err, -ENOMEM, "dirty source %s: out of memory",
			       source->ops.name);
	for (unsigned i = 0; i < members; i++) {
		job.sinks[i].sink = *sink;
		job.sinks[i].sink.marked = 0;
	}
	rc = begin_parts(source, walk, err);
	if (!rc)
		rc = rj_crew_run(crew, rj_dirty_set_pieces(set), collect_piece,
				 &job, err);
	for (unsigned i = 0; i < members; i++)
		sink->marked += job.sinks[i].sink.marked;
	free(job.sinks);
	return rc;
}

static int ask_all(struct rj_dirty_set *set, const struct rj_dirty_walk *walk,
		   struct ramjet_dirty_sink *sink, struct ramjet_error *err)
{
	set->alike_ns = 0;
	for (unsigned i = 0; i < set->started; i++) {
		struct ramjet_dirty_source *source = set->sources[i];
		const uint64_t began_ns = rj_now_ns();
		int rc = source->ops.collect_part && set->region_count
				 ? collect_parts(set, walk, source, sink, err)
				 : collect_whole(source, sink, err);

		if (rc)
			return rc;
		if (!source->last_differs)
			set->alike_ns += rj_now_ns() - began_ns;
	}
	return 0;
}

/* ---- what is written unseen -------------------------------------------- */

bool rj_dirty_set_needs_settle(const struct rj_dirty_set *set)
{
	return set->held.maps;
}

int rj_dirty_set_settle(struct rj_dirty_set *set, struct ramjet_error *err)
{
	const uint64_t began_ns = rj_now_ns();

	for (unsigned i = 0; i < set->started; i++) {
		struct ramjet_dirty_source *source = set->sources[i];
		struct ramjet_error own = { 0 };
		int rc;

		if (!source->ops.settle)
			continue;
		rc = source->ops.settle(source->user, &own);
		rc = result_of(source, "settle failed", rc, &own, err);
		if (rc)
			return rc;
	}
	set->settled_ns = rj_now_ns() - began_ns;
	return 0;
}

int rj_dirty_set_collect(struct rj_dirty_set *set,
			 const struct rj_dirty_walk *walk,
			 struct rj_bitmap *const *bitmaps, uint64_t *ret_marked,
			 struct ramjet_error *err)
{
	static const struct rj_dirty_walk plain;
	const bool held = rj_dirty_set_needs_settle(set);
	struct ramjet_dirty_sink sink = {
		.bitmaps = held ? set->held.sinks : bitmaps,
		.regions = set->regions,
		.count = set->region_count,
	};
	int rc;

	if (!walk)
		walk = &plain;
	rj_error_clear(err);
	set->settled_ns = 0;
	rc = ask_all(set, walk, &sink, err);
	if (!rc && held && !walk->last)
		rc = rj_dirty_set_settle(set, err);
	if (rc)
		return rc;
	*ret_marked = held ? rj_held_release(&set->held, bitmaps) : sink.marked;
	return 0;
}

/* ---- beginning part by part -------------------------------------------- */

bool rj_dirty_set_needs_arm(const struct rj_dirty_set *set)
{
	for (unsigned i = 0; i < set->started; i++)
		if (set->sources[i]->ops.arm)
			return true;
	return false;
}

int rj_dirty_set_arm(struct rj_dirty_set *set, unsigned region,
		     uint64_t first_page, uint64_t page_count,
		     struct ramjet_error *err)
{
	const struct ramjet_dirty_part part = {
		.size = sizeof(part),
		.region = region,
		.first_page = first_page,
		.page_count = page_count,
	};

	for (unsigned i = 0; i < set->started; i++) {
		struct ramjet_dirty_source *source = set->sources[i];
		struct ramjet_error own = { 0 };
		int rc;

		if (!source->ops.arm)
			continue;
		rc = source->ops.arm(source->user, &part, &own);
		rc = result_of(source, "arm failed", rc, &own, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- before pages are read --------------------------------------------- */

bool rj_dirty_set_needs_rearm(const struct rj_dirty_set *set)
{
	for (unsigned i = 0; i < set->started; i++)
		if (set->sources[i]->ops.rearm)
			return true;
	return false;
}

int rj_dirty_set_rearm(struct rj_dirty_set *set, unsigned region,
		       uint64_t first_page, const uint64_t *words, size_t count,
		       struct ramjet_error *err)
{
	for (unsigned i = 0; i < set->started; i++) {
		struct ramjet_dirty_source *source = set->sources[i];
		struct ramjet_error own;
		int rc;

		if (!source->ops.rearm)
			continue;
		/* Called often, so `own` is not cleared as a whole. */
		own.code = 0;
		own.message[0] = '\0';
		rc = source->ops.rearm(source->user, region, first_page, words,
				       count, &own);
		rc = result_of(source, "rearm failed", rc, &own, err);
		if (rc)
			return rc;
	}
	return 0;
}

uint64_t rj_dirty_set_write_cost_ns(const struct rj_dirty_set *set)
{
	uint64_t cost_ns = 0;

	for (unsigned i = 0; i < set->started; i++) {
		const struct ramjet_dirty_source *source = set->sources[i];

		if (source->ops.write_cost_ns)
			cost_ns += source->ops.write_cost_ns(source->user);
	}
	return cost_ns;
}

void rj_dirty_set_stop(struct rj_dirty_set *set)
{
	while (set->started) {
		struct ramjet_dirty_source *source =
			set->sources[--set->started];

		source->ops.stop(source->user);
	}
	free(set->pieces_until);
	rj_held_done(&set->held);
	*set = (struct rj_dirty_set){ 0 };
}
