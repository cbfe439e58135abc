/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bitmap that others set: vhost-user back ends, device emulation in other
 * processes, tests. They write the page, then set its bit with an atomic OR;
 * we take the bit with an atomic exchange, then the page is read. So a write
 * we might miss in the page leaves its bit for the next collect.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/source.h"
#include "dirty/take_bits.h"
#include "util/bits.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/options.h"

/* Words taken before they are merged: 128 MiB of guest memory. Chosen: a page
 * of stack, still in the nearest cache when it is merged. */
#define BATCH_WORDS 512u

struct shared {
	/* immutable after ramjet_dirty_shared_new() */
	char *block;
	_Atomic uint64_t *bits; /* borrowed */
	uint64_t bytes;
	/* immutable from start to stop */
	unsigned region;
	uint64_t page_count;
};

static int shared_start(void *user, const struct ramjet_dirty_region *regions,
			unsigned count, struct ramjet_error *err)
{
	struct shared *s = user;

	for (unsigned i = 0; i < count; i++) {
		uint64_t pages = regions[i].page_count;
		uint64_t wanted =
			rj_div_round_up(pages, RJ_WORD_BITS) * sizeof(uint64_t);

		if (strcmp(regions[i].name, s->block))
			continue;
		if (s->bytes < wanted)
			return rj_fail(err, -EINVAL,
				       "block %s: the bitmap has %llu bytes, "
				       "%llu wanted for %llu pages",
				       s->block, (unsigned long long)s->bytes,
				       (unsigned long long)wanted,
				       (unsigned long long)pages);
		s->region = i;
		s->page_count = pages;
		return 0;
	}
	return rj_fail(err, -ENOENT, "no block is named \"%s\"", s->block);
}

/* Words [first, end) of the block. */
static void collect_words(struct shared *s, uint64_t first, uint64_t end,
			  struct ramjet_dirty_sink *sink)
{
	const uint64_t past = rj_div_round_up(s->page_count, RJ_WORD_BITS);
	const unsigned tail = (unsigned)(s->page_count % RJ_WORD_BITS);
	uint64_t words[BATCH_WORDS];

	for (; first < end; first += BATCH_WORDS) {
		uint64_t left = end - first;
		size_t count = left < BATCH_WORDS ? left : BATCH_WORDS;
		uint64_t any = 0;

		for (size_t i = 0; i < count; i++) {
			bool last = first + i + 1 == past && tail;

			/* Bits past the block's end are not ours. */
			words[i] = rj_take_bits(&s->bits[first + i],
						last ? rj_bit_span(0, tail)
						     : ~UINT64_C(0));
			any |= words[i];
		}
		if (any)
			ramjet_dirty_mark_words(sink, s->region,
						first * RJ_WORD_BITS, words,
						count);
	}
}

static int shared_collect(void *user, struct ramjet_dirty_sink *sink,
			  RJ_UNUSED struct ramjet_error *err)
{
	struct shared *s = user;

	collect_words(s, 0, rj_div_round_up(s->page_count, RJ_WORD_BITS), sink);
	return 0;
}

/* The last one is as any other: what was taken is marked. */
static int shared_collect_part(void *user, const struct ramjet_dirty_part *part,
			       struct ramjet_dirty_sink *sink,
			       RJ_UNUSED struct ramjet_error *err)
{
	struct shared *s = user;

	if (part->region == s->region)
		collect_words(
			s, part->first_page / RJ_WORD_BITS,
			rj_div_round_up(part->first_page + part->page_count,
					RJ_WORD_BITS),
			sink);
	return 0;
}

static void shared_stop(RJ_UNUSED void *user)
{
}

static void shared_free(void *user)
{
	struct shared *s = user;

	free(s->block);
	free(s);
}
RJ_DEFINE_CLEANUP(void *, shared_free);

static const struct ramjet_dirty_ops shared_ops = {
	RAMJET_DIRTY_OPS_INIT,
	.name = "shared bitmap",
	.start = shared_start,
	.collect = shared_collect,
	.stop = shared_stop,
	.free = shared_free,
	.collect_part = shared_collect_part,
};

static int check(const struct ramjet_dirty_bitmap *bitmap,
		 struct ramjet_error *err)
{
	if (!bitmap->block)
		return rj_fail(err, -EINVAL, "shared bitmap: block is NULL");
	if (!bitmap->bits || (uintptr_t)bitmap->bits % sizeof(uint64_t))
		return rj_fail(err, -EINVAL,
			       "shared bitmap of %s: bits are at %p, an 8-byte "
			       "aligned address is wanted",
			       bitmap->block, bitmap->bits);
	return 0;
}

RAMJET_API int ramjet_dirty_shared_new(const struct ramjet_dirty_bitmap *bitmap,
				       struct ramjet_dirty_source **ret,
				       struct ramjet_error *err)
{
	const size_t least = offsetof(struct ramjet_dirty_bitmap, bytes) +
			     sizeof(bitmap->bytes);
	struct ramjet_dirty_bitmap known = { RAMJET_DIRTY_BITMAP_INIT };
	rj_cleanup(shared_freep) void *user = NULL;
	struct shared *s;
	int rc;

	rc = rj_options_copy("shared bitmap", &known, sizeof(known), least,
			     bitmap, err);
	if (rc)
		return rc;
	rc = check(&known, err);
	if (rc)
		return rc;
	user = s = calloc(1, sizeof(*s));
	if (!s)
		return rj_fail(err, -ENOMEM, "shared bitmap: out of memory");
	s->bits = known.bits;
	s->bytes = known.bytes;
	s->block = strdup(known.block);
	if (!s->block)
		return rj_fail(err, -ENOMEM, "shared bitmap: out of memory");
	rc = ramjet_dirty_new(&shared_ops, s, ret, err);
	if (rc)
		return rc;
	(void)rj_steal(user);
	return 0;
}
