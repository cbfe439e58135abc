/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/source.h"

#include <errno.h>
#include <stdlib.h>

#include "util/bits.h"
#include "util/cleanup.h"
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

int rj_dirty_set_start(struct rj_dirty_set *set,
		       struct ramjet_dirty_source **sources,
		       unsigned source_count,
		       const struct ramjet_dirty_region *regions,
		       unsigned region_count, struct ramjet_error *err)
{
	*set = (struct rj_dirty_set){
		.sources = sources,
		.source_count = source_count,
		.regions = regions,
		.region_count = region_count,
	};
	rj_error_clear(err);
	for (unsigned i = 0; i < source_count; i++) {
		struct ramjet_dirty_source *source = sources[i];
		struct ramjet_error own = { 0 };
		int rc = source->ops.start(source->user, regions, region_count,
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

int rj_dirty_set_collect(struct rj_dirty_set *set,
			 struct rj_bitmap *const *bitmaps, uint64_t *ret_marked,
			 struct ramjet_error *err)
{
	struct ramjet_dirty_sink sink = {
		.bitmaps = bitmaps,
		.regions = set->regions,
		.count = set->region_count,
	};

	rj_error_clear(err);
	for (unsigned i = 0; i < set->started; i++) {
		struct ramjet_dirty_source *source = set->sources[i];
		struct ramjet_error own = { 0 };
		int rc = source->ops.collect(source->user, &sink, &own);

		rc = result_of(source, "collect failed", rc, &own, err);
		if (rc)
			return rc;
		if (sink.out_of_range)
			return rj_fail(err, -ERANGE,
				       "dirty source %s: marked %llu pages "
				       "outside of the blocks",
				       source->ops.name,
				       (unsigned long long)sink.out_of_range);
	}
	*ret_marked = sink.marked;
	return 0;
}

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
	*set = (struct rj_dirty_set){ 0 };
}
