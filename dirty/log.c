/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A log that vhost-user back ends, or a VMM, keep in memory shared with us: a bit
 * a page, by guest-physical address. As shared.c, but for where the bits are: a
 * block's may begin anywhere, in the middle of a word.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dirty/log_ranges.h"
#include "dirty/mark_batch.h"
#include "dirty/source.h"
#include "dirty/take_bits.h"
#include "util/bits.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/options.h"

struct log {
	/* immutable after ramjet_dirty_log_new(), but for the regions */
	struct rj_log_ranges ranges;
	void *map;
	size_t map_bytes;
	_Atomic uint64_t *words; /* in it */
};

static int log_start(void *user, const struct ramjet_dirty_region *regions,
		     unsigned count, struct ramjet_error *err)
{
	struct log *log = user;

	return rj_log_ranges_place(&log->ranges, regions, count, err);
}

/* Of bits [first, end) those of word `word`. */
static uint64_t mask_of(uint64_t word, uint64_t first, uint64_t end)
{
	const uint64_t from = word * RJ_WORD_BITS;
	const uint64_t low = first > from ? first - from : 0;
	const uint64_t high =
		end - from < RJ_WORD_BITS ? end - from : RJ_WORD_BITS;

	return rj_bit_span((unsigned)low, (unsigned)(high - low));
}

/* Pages [first, end) of the range's block. */
static void take(struct log *log, const struct rj_log_range *range,
		 uint64_t first_page, uint64_t end_page,
		 struct rj_mark_batch *marks)
{
	const uint64_t first =
		range->first_bit + (first_page - range->first_page);
	const uint64_t end = first + (end_page - first_page);

	for (uint64_t word = first / RJ_WORD_BITS; word * RJ_WORD_BITS < end;
	     word++) {
		const uint64_t bits = rj_take_bits(&log->words[word],
						   mask_of(word, first, end));
		struct rj_run run = { 0 };

		if (!bits)
			continue;
		while ((run = rj_words_next_run(&bits, RJ_WORD_BITS,
						run.first + run.count))
			       .count)
			rj_mark_batch_add(marks,
					  range->first_page +
						  (word * RJ_WORD_BITS +
						   run.first -
						   range->first_bit),
					  run.count);
	}
}

/* The last one is as any other: what was taken is marked. */
static int log_collect_part(void *user, const struct ramjet_dirty_part *part,
			    struct ramjet_dirty_sink *sink,
			    RJ_UNUSED struct ramjet_error *err)
{
	const uint64_t part_end = part->first_page + part->page_count;
	struct log *log = user;
	struct rj_mark_batch marks;

	rj_mark_batch_init(&marks, sink, part->region);
	for (size_t i = 0; i < log->ranges.count; i++) {
		const struct rj_log_range *range = &log->ranges.ranges[i];
		const uint64_t range_end =
			range->first_page + range->page_count;
		const uint64_t first = part->first_page > range->first_page
					       ? part->first_page
					       : range->first_page;
		const uint64_t end =
			part_end < range_end ? part_end : range_end;

		if (range->region == part->region && first < end)
			take(log, range, first, end, &marks);
	}
	rj_mark_batch_flush(&marks);
	return 0;
}

static int log_collect(void *user, struct ramjet_dirty_sink *sink,
		       struct ramjet_error *err)
{
	struct log *log = user;
	int rc = 0;

	for (size_t i = 0; !rc && i < log->ranges.count; i++) {
		const struct rj_log_range *range = &log->ranges.ranges[i];
		const struct ramjet_dirty_part all = {
			.size = sizeof(all),
			.region = range->region,
			.first_page = range->first_page,
			.page_count = range->page_count,
		};

		rc = log_collect_part(log, &all, sink, err);
	}
	return rc;
}

static void log_stop(RJ_UNUSED void *user)
{
}

static void log_free(void *user)
{
	struct log *log = user;

	rj_log_ranges_done(&log->ranges);
	if (log->map)
		(void)munmap(log->map, log->map_bytes);
	free(log);
}
RJ_DEFINE_CLEANUP(void *, log_free);

static const struct ramjet_dirty_ops log_ops = {
	RAMJET_DIRTY_OPS_INIT,
	.name = "log",
	.start = log_start,
	.collect = log_collect,
	.stop = log_stop,
	.free = log_free,
	.collect_part = log_collect_part,
};

static int check(const struct ramjet_dirty_log *log, struct ramjet_error *err)
{
	struct stat st;

	if (!log->bytes || log->offset % sizeof(uint64_t) ||
	    log->bytes > INT64_MAX / 8 || log->offset > INT64_MAX / 8)
		return rj_fail(err, -EINVAL,
			       "log: %llu bytes at offset %llu, some at a "
			       "multiple of 8 are wanted",
			       (unsigned long long)log->bytes,
			       (unsigned long long)log->offset);
	if (fstat(log->fd, &st))
		return rj_fail_errno(err, -errno, "log: fd %d", log->fd);
	if (log->offset + log->bytes > (uint64_t)st.st_size)
		return rj_fail(err, -EINVAL,
			       "log: %llu bytes at offset %llu, but its file "
			       "has %llu",
			       (unsigned long long)log->bytes,
			       (unsigned long long)log->offset,
			       (unsigned long long)st.st_size);
	return 0;
}

/* The last word may reach beyond the log: its bits there are left alone. */
static int map_log(struct log *log, const struct ramjet_dirty_log *given,
		   struct ramjet_error *err)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t before = given->offset % page;
	const size_t bytes = before + given->bytes;
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			 given->fd, (off_t)(given->offset - before));

	if (map == MAP_FAILED)
		return rj_fail_errno(err, -errno, "log: mapping fd %d",
				     given->fd);
	log->map = map;
	log->map_bytes = bytes;
	log->words = (_Atomic uint64_t *)map + before / sizeof(uint64_t);
	return 0;
}

RAMJET_API int ramjet_dirty_log_new(const struct ramjet_dirty_log *given,
				    struct ramjet_dirty_source **ret,
				    struct ramjet_error *err)
{
	const size_t least = offsetof(struct ramjet_dirty_log, range_count) +
			     sizeof(given->range_count);
	struct ramjet_dirty_log known = { RAMJET_DIRTY_LOG_INIT };
	rj_cleanup(log_freep) void *user = NULL;
	struct log *log;
	int rc;

	rc = rj_options_copy("log", &known, sizeof(known), least, given, err);
	if (!rc)
		rc = check(&known, err);
	if (rc)
		return rc;
	user = log = calloc(1, sizeof(*log));
	if (!log)
		return rj_fail(err, -ENOMEM, "log: out of memory");
	rc = rj_log_ranges_init(&log->ranges, &known, err);
	if (!rc)
		rc = map_log(log, &known, err);
	if (!rc)
		rc = ramjet_dirty_new(&log_ops, log, ret, err);
	if (rc)
		return rc;
	(void)rj_steal(user);
	return 0;
}
