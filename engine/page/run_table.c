/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/run_table.h"

#include <errno.h>

#include "util/error.h"

#define KIND_SHIFT 60u

RJ_COLD static int refuse(const struct rj_wire_run *run, uint32_t index,
			  uint64_t page_count, uint64_t next_page,
			  struct ramjet_error *err)
{
	if (!rj_run_row(run->kind))
		return rj_fail(err, -EPROTO, "run %u: unknown kind %u", index,
			       run->kind);
	if (!run->count)
		return rj_fail(err, -EPROTO, "run %u: empty", index);
	if (run->page >= page_count || run->count > page_count - run->page)
		return rj_fail(err, -EPROTO,
			       "run %u: pages %llu + %u, the block has %llu",
			       index, (unsigned long long)run->page, run->count,
			       (unsigned long long)page_count);
	return rj_fail(err, -EPROTO,
		       "run %u: page %llu comes before page %llu: "
		       "runs must ascend and not overlap",
		       index, (unsigned long long)run->page,
		       (unsigned long long)next_page);
}

/* The run is one, and comes after those before it. */
static inline bool is_good(const struct rj_wire_run *run, uint64_t page_count,
			   uint64_t next_page)
{
	return rj_run_row(run->kind) && run->count && run->page < page_count &&
	       run->count <= page_count - run->page && run->page >= next_page;
}

int rj_run_decode(const uint8_t *table, uint32_t index, uint64_t page_count,
		  uint64_t *next_page, struct rj_wire_run *ret,
		  struct ramjet_error *err)
{
	const struct rj_wire_run run =
		rj_run_unpack(table + (size_t)index * RJ_RUN_BYTES);

	if (rj_unlikely(!is_good(&run, page_count, *next_page)))
		return refuse(&run, index, page_count, *next_page, err);
	*next_page = run.page + run.count;
	*ret = run;
	return 0;
}

void rj_run_encode_told(enum rj_run_kind kind, uint32_t bytes,
			uint8_t out[RJ_RUN_BYTES])
{
	rj_put64(out, bytes | (uint64_t)kind << KIND_SHIFT);
}

static uint64_t payload_bytes(const struct rj_run_row *row,
			      const uint8_t *table, uint32_t index,
			      const struct rj_wire_run *run)
{
	const uint8_t *next = table + ((size_t)index + 1) * RJ_RUN_BYTES;

	return row->run_bytes + (uint64_t)row->page_bytes * run->count +
	       (row->told ? rj_get32(next) : 0);
}

uint64_t rj_run_payload_bytes(const uint8_t *table, uint32_t index,
			      const struct rj_wire_run *run)
{
	return payload_bytes(&rj_run_rows[run->kind], table, index, run);
}

/* A group that has begun, as far as the table was read. */
struct group {
	uint32_t index; /* of the run that began it */
	uint32_t pages; /* 0: none has */
	uint64_t bytes; /* of its payload */
};

static int refuse_told(uint32_t index, uint64_t bytes, uint32_t pages,
		       struct ramjet_error *err)
{
	return rj_fail(err, -EPROTO,
		       "run %u: payload of %llu bytes, wanted 1 to what its "
		       "%u pages are",
		       index, (unsigned long long)bytes, pages);
}

static int end_group(const struct group *group, struct ramjet_error *err)
{
	return group->bytes <= (uint64_t)group->pages * RAMJET_PAGE_BYTES
		       ? 0
		       : refuse_told(group->index, group->bytes, group->pages,
				     err);
}

/* A run that begins a group, or joins it. */
static int add_to_group(struct group *group, const struct rj_wire_run *run,
			uint32_t index, uint64_t bytes,
			struct ramjet_error *err)
{
	int rc = 0;

	if (rj_run_rows[run->kind].group == RJ_GROUP_BEGINS) {
		rc = end_group(group, err);
		*group = (struct group){ .index = index, .bytes = bytes };
	} else if (!group->pages) {
		return rj_fail(err, -EPROTO,
			       "run %u: joins a group, and none has begun",
			       index);
	}
	if (!rc && run->count > RJ_GROUP_PAGES - group->pages)
		return rj_fail(err, -EPROTO,
			       "run %u: more than %u pages in the group that "
			       "began with run %u",
			       index, RJ_GROUP_PAGES, group->index);
	group->pages += run->count;
	return rc;
}

/* It tells what can be: of a group, end_group() says. */
static int check_told(const uint8_t *table, uint32_t index,
		      const struct rj_wire_run *run, struct ramjet_error *err)
{
	uint64_t word;

	word = rj_get64(table + ((size_t)index + 1) * RJ_RUN_BYTES);
	if (word >> 32 != (uint64_t)run->kind << (KIND_SHIFT - 32))
		return rj_fail(err, -EPROTO,
			       "run %u: entry 0x%016llx after it, wanted its "
			       "payload's size",
			       index, (unsigned long long)word);
	if (word & UINT32_MAX &&
	    (rj_run_rows[run->kind].group ||
	     rj_run_payload_bytes(table, index, run) <=
		     (uint64_t)run->count * RAMJET_PAGE_BYTES))
		return 0;
	return refuse_told(index, word & UINT32_MAX, run->count, err);
}

/* The entry after a run's, where its kind has one, is there and is good. */
static int check_second(const struct rj_frame *frame, const uint8_t *table,
			uint32_t index, const struct rj_wire_run *run,
			struct ramjet_error *err)
{
	const bool told = rj_run_rows[run->kind].told;

	if (index + 1 >= frame->run_count)
		return rj_fail(err, -EPROTO,
			       "run %u: the table ends, wanted its %s", index,
			       told ? "payload's size" : "word");
	if (told)
		return check_told(table, index, run, err);
	if (rj_run_word(table, index, run->kind))
		return 0;
	return rj_fail(err, -EPROTO, "run %u: its word is 0: wanted a zero run",
		       index);
}

static bool is_whole_pages(const struct rj_run_row *row)
{
	return !row->told && row->run_bytes % RAMJET_PAGE_BYTES == 0 &&
	       row->page_bytes % RAMJET_PAGE_BYTES == 0;
}

/* `named`: the payloads of all runs together. */
static int refuse_payload(const struct rj_frame *frame, uint64_t named,
			  bool whole_pages, struct ramjet_error *err)
{
	if (frame->payload_bytes % RAMJET_PAGE_BYTES && whole_pages)
		return rj_fail(err, -EPROTO,
			       "PAGES frame: payload of %u bytes, wanted a "
			       "multiple of %u",
			       frame->payload_bytes, RAMJET_PAGE_BYTES);
	return rj_fail(err, -EPROTO,
		       "PAGES frame: payload of %u bytes, its runs name %llu",
		       frame->payload_bytes, (unsigned long long)named);
}

int rj_table_check(const struct rj_frame *frame, const uint8_t *table,
		   uint64_t page_count, struct ramjet_error *err)
{
	uint64_t next_page = 0, named = 0, bytes;
	struct group group = { 0 };
	bool whole_pages = true;
	int rc = 0;

	for (uint32_t i = 0, entries; i < frame->run_count; i += entries) {
		const struct rj_wire_run run =
			rj_run_unpack(table + (size_t)i * RJ_RUN_BYTES);
		const struct rj_run_row *row = &rj_run_rows[run.kind];

		if (rj_unlikely(!is_good(&run, page_count, next_page)))
			return refuse(&run, i, page_count, next_page, err);
		next_page = run.page + run.count;
		entries = rj_run_entries(run.kind);
		if (rj_unlikely(entries > 1))
			rc = check_second(frame, table, i, &run, err);
		if (rc)
			return rc;
		bytes = payload_bytes(row, table, i, &run);
		if (rj_unlikely(row->group))
			rc = add_to_group(&group, &run, i, bytes, err);
		if (rc)
			return rc;
		whole_pages &= is_whole_pages(row);
		named += bytes;
	}
	rc = end_group(&group, err);
	if (!rc && named != frame->payload_bytes)
		rc = refuse_payload(frame, named, whole_pages, err);
	return rc;
}
