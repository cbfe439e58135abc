/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/grouping.h"

#include <string.h>

#include "engine/page/zstd.h"
#include "util/clock.h"

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* ---- adding --------------------------------------------------------------- */

/* Is the frame's newest run one of the open group, and do the pages come right
 * behind it in the block? */
static bool follows_last(const struct rj_out_frame *frame, uint64_t page)
{
	return frame->group.pages && rj_run_rows[frame->last.kind].group &&
	       frame->last.page + frame->last.count == page;
}

static bool has_entry(const struct rj_out_frame *frame)
{
	return frame->run_count + (frame->group.pages ? 1 : 2) <=
	       RJ_OUT_RUNS_MAX;
}

static void grow_last(struct rj_out_frame *frame, uint32_t count)
{
	const struct rj_out_group *group = &frame->group;

	frame->last.count += count;
	rj_run_encode(&frame->last,
		      rj_out_frame_entry(
			      frame, group->runs[group->run_count - 1].entry));
	frame->iov[frame->iov_count - 1].iov_len +=
		(size_t)count * RAMJET_PAGE_BYTES;
}

static void add_run(struct rj_out_frame *frame, uint8_t *own, uint64_t page,
		    uint32_t count)
{
	struct rj_out_group *group = &frame->group;
	const bool begins = !group->pages;

	group->runs[group->run_count].entry = frame->run_count;
	group->runs[group->run_count].iov = frame->iov_count;
	group->run_count++;
	frame->last =
		(struct rj_wire_run){ page, count,
				      begins ? RJ_RUN_ZSTD : RJ_RUN_JOINED };
	rj_run_encode(&frame->last,
		      rj_out_frame_entry(frame, frame->run_count));
	frame->run_count += begins ? 2 : 1;
	frame->iov[frame->iov_count++] =
		(struct iovec){ own, (size_t)count * RAMJET_PAGE_BYTES };
}

/* So many pages of `count` fit into the group that is open, or a new one, at
 * least one if any do. */
static uint32_t room_for(const struct rj_out_frame *frame, const uint8_t *pages,
			 uint32_t count)
{
	count = least(count, RJ_GROUP_PAGES - frame->group.pages);
	count = least(count, rj_out_frame_payload_room(frame));
	return rj_out_frame_is_own(frame, pages)
		       ? count
		       : least(count, rj_out_frame_own_room(frame));
}

static void begin(struct rj_out_frame *frame, unsigned block)
{
	frame->block = block;
	frame->group = (struct rj_out_group){
		.level = frame->codec->level,
		.own_before = frame->own_pages,
	};
}

/* Up to `count` pages in one go; 0: none fit. */
static uint32_t add_some(struct rj_out_frame *frame, unsigned block,
			 const uint8_t *pages, uint64_t page, uint32_t count)
{
	struct rj_out_group *group = &frame->group;
	const bool follows = follows_last(frame, page);
	uint32_t own_before = frame->own_pages;
	uint8_t *own;

	count = room_for(frame, pages, count);
	if (!count || (!follows && !has_entry(frame)))
		return 0;
	if (!group->pages)
		begin(frame, block);
	own = rj_out_frame_own(frame, pages, count);
	group->own_pages += frame->own_pages - own_before;
	if (follows && rj_out_frame_is_behind(frame, own))
		grow_last(frame, count);
	else if (has_entry(frame))
		add_run(frame, own, page, count);
	else
		return 0;
	group->pages += count;
	frame->payload_bytes += count * RAMJET_PAGE_BYTES;
	return count;
}

uint32_t rj_grouping_add(struct rj_out_frame *frame, unsigned block,
			 const uint8_t *pages, uint64_t page, uint32_t count)
{
	uint32_t added = 0;

	while (added < count) {
		const bool was_open = frame->group.pages;
		const uint32_t some = add_some(
			frame, block, pages + (size_t)added * RAMJET_PAGE_BYTES,
			page + added, count - added);

		added += some;
		/* Compressed, it may leave room for more. */
		if (frame->group.pages == RJ_GROUP_PAGES || (!some && was_open))
			rj_grouping_close(frame);
		else if (!some)
			break;
	}
	return added;
}

/* ---- ending --------------------------------------------------------------- */

/* The group's pages, one behind the other. */
static const uint8_t *gathered(const struct rj_out_frame *frame)
{
	const struct rj_out_group *group = &frame->group;
	const uint8_t *first = frame->iov[group->runs[0].iov].iov_base;
	bool adjacent = true;
	size_t at = 0;

	for (uint32_t i = 0; i < group->run_count; i++) {
		const struct iovec *iov = &frame->iov[group->runs[i].iov];

		adjacent &= iov->iov_base == first + at;
		at += iov->iov_len;
	}
	if (adjacent)
		return first;
	at = 0;
	for (uint32_t i = 0; i < group->run_count; i++) {
		const struct iovec *iov = &frame->iov[group->runs[i].iov];

		memcpy(frame->codec->group + at, iov->iov_base, iov->iov_len);
		at += iov->iov_len;
	}
	return frame->codec->group;
}

static uint32_t compress(struct rj_out_frame *frame, uint8_t *out)
{
	struct rj_page_codec *codec = frame->codec;
	const uint32_t pages = frame->group.pages;
	struct rj_counters *c = codec->counters;
	const uint64_t began = rj_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	const uint32_t bytes =
		rj_compress(codec->compressor, frame->group.level,
			    gathered(frame), pages, out);

	rj_hopeless_learn(&codec->hopeless, pages * RAMJET_PAGE_BYTES,
			  bytes ? bytes : pages * RAMJET_PAGE_BYTES);
	if (!c)
		return bytes;
	rj_count(&c->zstd_ns, rj_clock_ns(CLOCK_THREAD_CPUTIME_ID) - began);
	rj_count(&c->zstd_in_bytes, pages * RAMJET_PAGE_BYTES);
	rj_count(&c->zstd_out_bytes, bytes ? bytes : pages * RAMJET_PAGE_BYTES);
	if (!bytes)
		rj_count(&c->zstd_refused_pages, pages);
	return bytes;
}

/* The pieces of runs that joined are not sent. */
static void drop_joined(struct rj_out_frame *frame)
{
	const struct rj_out_group *group = &frame->group;
	unsigned to = group->runs[0].iov + 1;
	uint32_t next = 1;

	for (unsigned i = to; i < frame->iov_count; i++)
		if (next < group->run_count && i == group->runs[next].iov)
			next++;
		else
			frame->iov[to++] = frame->iov[i];
	frame->iov_count = to;
}

static void go_compressed(struct rj_out_frame *frame, uint8_t *coded,
			  uint32_t bytes)
{
	const struct rj_out_group *group = &frame->group;

	rj_run_encode_told(RJ_RUN_ZSTD, bytes,
			   rj_out_frame_entry(frame, group->runs[0].entry + 1));
	frame->iov[group->runs[0].iov] = (struct iovec){ coded, bytes };
	drop_joined(frame);
	frame->payload_bytes += bytes;
	frame->payload_bytes -= group->pages * RAMJET_PAGE_BYTES;
	frame->coded_bytes += bytes;
	frame->pages[RJ_RUN_ZSTD] += group->pages;
	/* The copies are not needed any more: the next group's may lie there,
	 * where the processor's cache has it. */
	if (frame->own_pages == group->own_before + group->own_pages)
		frame->own_pages = group->own_before;
}

/* The iovec is right already; the table has an entry too many. */
static void go_raw(struct rj_out_frame *frame)
{
	const struct rj_out_group *group = &frame->group;
	const uint32_t told = group->runs[0].entry + 1;

	for (uint32_t i = 0; i < group->run_count; i++) {
		uint8_t *entry =
			rj_out_frame_entry(frame, group->runs[i].entry);
		struct rj_wire_run run = rj_run_unpack(entry);

		run.kind = RJ_RUN_RAW;
		rj_run_encode(&run, entry);
	}
	memmove(rj_out_frame_entry(frame, told),
		rj_out_frame_entry(frame, told + 1),
		(size_t)(frame->run_count - told - 1) * RJ_RUN_BYTES);
	frame->run_count--;
	frame->pages[RJ_RUN_RAW] += group->pages;
	if (rj_run_rows[frame->last.kind].group)
		frame->last.kind = RJ_RUN_RAW;
}

void rj_grouping_close(struct rj_out_frame *frame)
{
	uint8_t *coded;
	uint32_t bytes;

	if (!frame->group.pages)
		return;
	coded = rj_page_codec_coded(frame->codec, frame->index) +
		frame->coded_bytes;
	bytes = compress(frame, coded);
	if (bytes)
		go_compressed(frame, coded, bytes);
	else
		go_raw(frame);
	frame->group.pages = 0;
}
