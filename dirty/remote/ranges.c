/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/remote/ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/write_protect.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/options.h"

/* ---- what was given ---------------------------------------------------- */

/* Range `index` of the caller's array, as far as we know its fields. */
static int load(struct ramjet_remote_range *to,
		const struct ramjet_remote_range *from, size_t index,
		struct ramjet_error *err)
{
	const struct ramjet_remote_range *one = RAMJET_AT(from, index);

	if (index && one->size != from->size)
		return rj_fail(err, -EINVAL,
			       "remote: range %zu is of %zu bytes, the first "
			       "of %zu",
			       index, one->size, from->size);
	return rj_options_copy("remote: range", to, sizeof(*to), sizeof(*to),
			       one, err);
}

static int copy(struct rj_remote_range *to,
		const struct ramjet_remote_range *from,
		struct ramjet_error *err)
{
	if (!from->block)
		return rj_fail(err, -EINVAL, "remote: range without a block");
	if ((from->offset | from->address | from->bytes) % RAMJET_PAGE_BYTES ||
	    !from->address || from->bytes > UINT64_MAX - from->address)
		return rj_fail(err, -EINVAL,
			       "remote: range of block %s: %#llx bytes at "
			       "%#llx, offset %#llx, whole pages are wanted",
			       from->block, (unsigned long long)from->bytes,
			       (unsigned long long)from->address,
			       (unsigned long long)from->offset);
	*to = (struct rj_remote_range){
		.block = strdup(from->block),
		.first_page = from->offset / RAMJET_PAGE_BYTES,
		.wanted = from->bytes / RAMJET_PAGE_BYTES,
		.address = from->address,
	};
	return to->block ? 0 : rj_fail(err, -ENOMEM, "remote: out of memory");
}

int rj_remote_ranges_init(struct rj_remote_ranges *ranges,
			  const struct ramjet_dirty_remote *remote,
			  struct ramjet_error *err)
{
	if (!remote->ranges || !remote->range_count)
		return rj_fail(err, -EINVAL, "remote: no ranges are given");
	*ranges = (struct rj_remote_ranges){
		.ranges = calloc(remote->range_count, sizeof(*ranges->ranges)),
	};
	if (!ranges->ranges)
		return rj_fail(err, -ENOMEM, "remote: out of memory");
	for (; ranges->count < remote->range_count; ranges->count++) {
		struct ramjet_remote_range one = { RAMJET_REMOTE_RANGE_INIT };
		int rc = load(&one, remote->ranges, ranges->count, err);

		if (!rc)
			rc = copy(&ranges->ranges[ranges->count], &one, err);
		if (rc) {
			rj_remote_ranges_done(ranges);
			return rc;
		}
	}
	return 0;
}

void rj_remote_ranges_done(struct rj_remote_ranges *ranges)
{
	for (size_t i = 0; i < ranges->count; i++)
		free(ranges->ranges[i].block);
	free(ranges->ranges);
	*ranges = (struct rj_remote_ranges){ .count = 0 };
}

/* ---- tracking ---------------------------------------------------------- */

static int place(struct rj_remote_range *range,
		 const struct ramjet_dirty_region *regions, unsigned count,
		 struct ramjet_error *err)
{
	uint64_t room;
	unsigned i = 0;

	while (i < count && strcmp(regions[i].name, range->block))
		i++;
	if (i == count)
		return rj_fail(err, -ENOENT, "no block is named \"%s\"",
			       range->block);
	room = range->first_page < regions[i].page_count
		       ? regions[i].page_count - range->first_page
		       : 0;
	if (!room || range->wanted > room)
		return rj_fail(err, -ERANGE,
			       "block %s: a range of %llu pages from page %llu "
			       "on, but the block has %llu",
			       range->block, (unsigned long long)range->wanted,
			       (unsigned long long)range->first_page,
			       (unsigned long long)regions[i].page_count);
	range->region = i;
	range->page_count = range->wanted ? range->wanted : room;
	return 0;
}

/* Huge pages of hugetlb are protected as a whole or not at all, so they must be
 * known. */
static int note_unit(struct rj_remote_range *range,
		     const struct ramjet_dirty_region *region,
		     struct ramjet_error *err)
{
	const uint64_t unit =
		range->is_hugetlb ? region->page_bytes : RAMJET_PAGE_BYTES;

	if (range->is_hugetlb &&
	    (unit <= RAMJET_PAGE_BYTES ||
	     (range->address | range->page_count * RAMJET_PAGE_BYTES) % unit))
		return rj_fail(err, -EINVAL,
			       "block %s: %#llx bytes at %#llx are huge pages "
			       "there, whole pages of %llu bytes are wanted",
			       range->block,
			       (unsigned long long)range->page_count *
				       RAMJET_PAGE_BYTES,
			       (unsigned long long)range->address,
			       (unsigned long long)unit);
	range->unit = unit;
	return 0;
}

static int enlist(struct rj_remote_range *range, int uffd, int pid,
		  struct ramjet_error *err)
{
	int rc = rj_wp_register(uffd, range->address,
				range->page_count * RAMJET_PAGE_BYTES,
				&range->is_hugetlb);

	if (rc == -EBUSY)
		return rj_fail(err, rc,
			       "block %s: its memory is registered with a "
			       "userfaultfd of process %d itself (post-copy, "
			       "background snapshot)",
			       range->block, pid);
	if (rc == -ESRCH || rc == -ENOMEM)
		return rj_fail_errno(err, rc, "block %s: process %d",
				     range->block, pid);
	if (rc)
		return rj_fail_errno(err, rc,
				     "block %s: userfaultfd does not take "
				     "%#llx bytes at %#llx of process %d for "
				     "write protection",
				     range->block,
				     (unsigned long long)range->page_count *
					     RAMJET_PAGE_BYTES,
				     (unsigned long long)range->address, pid);
	return 0;
}

int rj_remote_ranges_start(struct rj_remote_ranges *ranges, int uffd, int pid,
			   const struct ramjet_dirty_region *regions,
			   unsigned count, struct ramjet_error *err)
{
	while (ranges->registered < ranges->count) {
		struct rj_remote_range *range =
			&ranges->ranges[ranges->registered];
		int rc = place(range, regions, count, err);

		if (rc)
			return rc;
		range->backing = rj_backing_in(
			pid, range->address, &regions[range->region],
			range->first_page, range->page_count);
		rc = rj_sent_map_init(&range->sent, range->first_page,
				      range->page_count, err);
		if (!rc)
			rc = enlist(range, uffd, pid, err);
		if (rc) {
			rj_sent_map_done(&range->sent);
			return rc;
		}
		ranges->registered++;
		rc = note_unit(range, &regions[range->region], err);
		if (rc)
			return rc;
	}
	return 0;
}

int rj_remote_ranges_stop(struct rj_remote_ranges *ranges, int uffd)
{
	int first = 0;

	while (ranges->registered) {
		struct rj_remote_range *range =
			&ranges->ranges[--ranges->registered];
		const int rc =
			rj_wp_unregister(uffd, range->address,
					 range->page_count * RAMJET_PAGE_BYTES);

		first = first ? first : rc;
		rj_sent_map_done(&range->sent);
	}
	return first;
}

bool rj_remote_range_of_part(const struct rj_remote_range *range,
			     const struct ramjet_dirty_part *part,
			     struct rj_page_run *ret)
{
	const uint64_t part_end = part->first_page + part->page_count;
	const uint64_t range_end = range->first_page + range->page_count;
	const uint64_t first = part->first_page > range->first_page
				       ? part->first_page
				       : range->first_page;
	const uint64_t end = part_end < range_end ? part_end : range_end;

	if (range->region != part->region || first >= end)
		return false;
	*ret = (struct rj_page_run){ .first = first, .count = end - first };
	return true;
}

int rj_remote_unmapped(const struct rj_remote_range *range,
		       const struct rj_page_run *pages, int pid,
		       struct ramjet_error *err)
{
	return rj_fail(
		err, -EFAULT,
		"not all of %llu pages at %#llx are mapped in process "
		"%d (was the memory unmapped, or moved?)",
		(unsigned long long)pages->count,
		(unsigned long long)rj_remote_address(range, pages->first),
		pid);
}

uint64_t rj_remote_address(const struct rj_remote_range *range, uint64_t page)
{
	return range->address + (page - range->first_page) * RAMJET_PAGE_BYTES;
}
