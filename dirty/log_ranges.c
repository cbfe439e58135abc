/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/log_ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/options.h"

/* Range `index` of the caller's array, as far as we know its fields. */
static int load(struct ramjet_log_range *to,
		const struct ramjet_log_range *from, size_t index,
		struct ramjet_error *err)
{
	const struct ramjet_log_range *one = RAMJET_AT(from, index);

	if (index && one->size != from->size)
		return rj_fail(err, -EINVAL,
			       "log: range %zu is of %zu bytes, the first of "
			       "%zu",
			       index, one->size, from->size);
	return rj_options_copy("log: range", to, sizeof(*to), sizeof(*to), one,
			       err);
}

static int copy(struct rj_log_range *to, const struct ramjet_log_range *from,
		uint64_t bits, struct ramjet_error *err)
{
	if (!from->block)
		return rj_fail(err, -EINVAL, "log: range without a block");
	if (!from->page_count || from->first_bit > bits ||
	    from->page_count > bits - from->first_bit)
		return rj_fail(err, -EINVAL,
			       "log: %llu pages of block %s from bit %llu on, "
			       "but the log has %llu bits",
			       (unsigned long long)from->page_count,
			       from->block, (unsigned long long)from->first_bit,
			       (unsigned long long)bits);
	*to = (struct rj_log_range){
		.block = strdup(from->block),
		.first_page = from->first_page,
		.page_count = from->page_count,
		.first_bit = from->first_bit,
	};
	return to->block ? 0 : rj_fail(err, -ENOMEM, "log: out of memory");
}

/* Whoever takes a bit takes it from all. */
static int check_overlaps(const struct rj_log_ranges *ranges,
			  struct ramjet_error *err)
{
	for (size_t i = 0; i < ranges->count; i++)
		for (size_t k = 0; k < i; k++) {
			const struct rj_log_range *a = &ranges->ranges[i];
			const struct rj_log_range *b = &ranges->ranges[k];

			if (a->first_bit - b->first_bit < b->page_count ||
			    b->first_bit - a->first_bit < a->page_count)
				return rj_fail(err, -EINVAL,
					       "log: bits of block %s are "
					       "those of block %s, too",
					       a->block, b->block);
		}
	return 0;
}

int rj_log_ranges_init(struct rj_log_ranges *ranges,
		       const struct ramjet_dirty_log *log,
		       struct ramjet_error *err)
{
	int rc = 0;

	if (!log->ranges || !log->range_count)
		return rj_fail(err, -EINVAL, "log: no ranges are given");
	*ranges = (struct rj_log_ranges){
		.ranges = calloc(log->range_count, sizeof(*ranges->ranges)),
	};
	if (!ranges->ranges)
		return rj_fail(err, -ENOMEM, "log: out of memory");
	for (; !rc && ranges->count < log->range_count; ranges->count++) {
		struct ramjet_log_range one = { RAMJET_LOG_RANGE_INIT };

		rc = load(&one, log->ranges, ranges->count, err);
		if (!rc)
			rc = copy(&ranges->ranges[ranges->count], &one,
				  log->bytes * 8, err);
	}
	if (!rc)
		rc = check_overlaps(ranges, err);
	if (rc)
		rj_log_ranges_done(ranges);
	return rc;
}

void rj_log_ranges_done(struct rj_log_ranges *ranges)
{
	for (size_t i = 0; i < ranges->count; i++)
		free(ranges->ranges[i].block);
	free(ranges->ranges);
	*ranges = (struct rj_log_ranges){ .count = 0 };
}

static int place(struct rj_log_range *range,
		 const struct ramjet_dirty_region *regions, unsigned count,
		 struct ramjet_error *err)
{
	for (unsigned i = 0; i < count; i++) {
		const uint64_t pages = regions[i].page_count;

		if (strcmp(regions[i].name, range->block))
			continue;
		if (range->first_page > pages ||
		    range->page_count > pages - range->first_page)
			return rj_fail(err, -ERANGE,
				       "log: %llu pages of block %s from page "
				       "%llu on, but the block has %llu",
				       (unsigned long long)range->page_count,
				       range->block,
				       (unsigned long long)range->first_page,
				       (unsigned long long)pages);
		range->region = i;
		return 0;
	}
	return rj_fail(err, -ENOENT, "no block is named \"%s\"", range->block);
}

int rj_log_ranges_place(struct rj_log_ranges *ranges,
			const struct ramjet_dirty_region *regions,
			unsigned count, struct ramjet_error *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < ranges->count; i++)
		rc = place(&ranges->ranges[i], regions, count, err);
	return rc;
}
