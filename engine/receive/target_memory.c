/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/receive/target_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/guest/backing.h"
#include "engine/guest/sigbus.h"
#include "engine/page/run_table.h"
#include "util/error.h"

int rj_target_memory_init(struct rj_target_memory *memory,
			  const struct rj_block *blocks, unsigned block_count,
			  struct ramjet_error *err)
{
	int rc = 0;

	*memory = (struct rj_target_memory){
		.blocks = blocks,
		.block_count = block_count,
		.received = calloc(block_count, sizeof(struct rj_bitmap)),
		.first_touch =
			calloc(block_count, sizeof(struct rj_first_touch)),
	};
	rj_headroom_init(&memory->headroom, 1);
	/* Until rj_clearing_start() nothing is being cleared. */
	atomic_init(&memory->clearing.over, true);
	if (!memory->received || !memory->first_touch)
		return rj_fail(err, -ENOMEM, "target: out of memory");
	for (unsigned i = 0; !rc && i < block_count; i++) {
		rc = rj_bitmap_init(&memory->received[i], blocks[i].page_count,
				    err);
		if (!rc)
			rc = rj_first_touch_init(&memory->first_touch[i],
						 &blocks[i], err);
	}
	return rc;
}

void rj_target_memory_done(struct rj_target_memory *memory)
{
	rj_clearing_stop(&memory->clearing);
	for (unsigned i = 0; memory->received && i < memory->block_count; i++)
		rj_bitmap_done(&memory->received[i]);
	for (unsigned i = 0; memory->first_touch && i < memory->block_count;
	     i++)
		rj_first_touch_done(&memory->first_touch[i]);
	free(memory->received);
	free(memory->first_touch);
	*memory = (struct rj_target_memory){ 0 };
}

int rj_target_memory_clear(struct rj_target_memory *memory,
			   struct ramjet_migration *m, unsigned threads,
			   int event_fd, struct ramjet_error *err)
{
	return rj_clearing_start(&memory->clearing, m, memory->blocks,
				 memory->block_count, memory->received, threads,
				 event_fd, err);
}

static void add_entry(struct rj_scatter *scatter, struct iovec entry,
		      bool untouched)
{
	scatter->untouched[scatter->count] = untouched;
	scatter->untouched_count += untouched;
	scatter->iov[scatter->count++] = entry;
}

/* The codec is going to write these pages, and no kernel will say that their
 * memory is not there. */
static int have_memory(struct rj_target_memory *memory,
		       const struct rj_block *block, const struct iovec *pages,
		       struct ramjet_error *err)
{
	const int rc =
		rj_headroom_take(&memory->headroom, block, pages, 1, err);

	return rc ? rc : rj_backing_populate(block, pages, err);
}

/* Is there more to come of it than the table? */
static bool is_placed_at_once(const struct rj_run_piece *piece)
{
	return !piece->bytes && !rj_run_rows[piece->run.kind].group;
}

/* A run whose payload is not its pages. */
static int place_coded(struct rj_target_memory *memory,
		       struct rj_page_codec *codec, struct rj_run_piece *piece,
		       const struct iovec *pages, struct rj_scatter *ret,
		       struct ramjet_error *err)
{
	const struct rj_run_row *row = &rj_run_rows[piece->run.kind];
	struct iovec entry;
	int rc = row->fills ? have_memory(memory, piece->block, pages, err) : 0;

	if (rc)
		return rc;
	if (is_placed_at_once(piece))
		return row->place(codec, piece, err);
	rc = rj_page_codec_expect(codec, piece, &entry, err);
	if (!rc && entry.iov_len)
		add_entry(ret, entry, false);
	return rc;
}

/* With the bits set it will not be cleared any more; but it may be being cleared
 * right now. */
static void claim_run(struct rj_target_memory *memory, unsigned block,
		      const struct rj_wire_run *run)
{
	if (rj_run_rows[run->kind].fills)
		(void)rj_bitmap_set_run(&memory->received[block], run->page,
					run->count);
	rj_clearing_avoid(&memory->clearing, block, run->page, run->count);
}

/* A run of a block that is not mapped here: no payload goes where it lies. */
static int place_foreign(struct rj_target_memory *memory,
			 struct rj_page_codec *codec, unsigned block,
			 struct rj_run_piece *piece, struct rj_scatter *ret,
			 struct ramjet_error *err)
{
	const struct rj_run_row *row = &rj_run_rows[piece->run.kind];
	struct iovec entry;
	int rc;

	claim_run(memory, block, &piece->run);
	ret->pages[piece->run.kind] += piece->run.count;
	if (is_placed_at_once(piece))
		return row->place(codec, piece, err);
	rc = row->in_place
		     ? rj_page_codec_expect_pages(codec, piece, &entry, err)
		     : rj_page_codec_expect(codec, piece, &entry, err);
	if (!rc && entry.iov_len)
		add_entry(ret, entry, false);
	return rc;
}

static int place_run(struct rj_target_memory *memory,
		     struct rj_page_codec *codec, unsigned block,
		     struct rj_run_piece *piece, struct rj_scatter *ret,
		     struct ramjet_error *err)
{
	const struct rj_wire_run *run = &piece->run;
	const struct rj_run_row *row = &rj_run_rows[run->kind];
	struct rj_bitmap *received = &memory->received[block];
	const struct iovec pages = {
		.iov_base = piece->block->host + run->page * RAMJET_PAGE_BYTES,
		.iov_len = (size_t)run->count * RAMJET_PAGE_BYTES,
	};
	const bool untouched =
		row->in_place && !rj_bitmap_test(received, run->page) &&
		rj_first_touch_is_due(&memory->first_touch[block], run->page);

	claim_run(memory, block, run);
	ret->pages[run->kind] += run->count;
	if (!row->in_place)
		return place_coded(memory, codec, piece, &pages, ret, err);
	add_entry(ret, pages, untouched);
	return 0;
}

/* What a run builds on must be there. */
static int check_built_on(const struct rj_run_piece *piece,
			  struct ramjet_error *err)
{
	uint64_t page = piece->run.page;
	const uint64_t end = page + piece->run.count;

	while (page < end && rj_bitmap_test(piece->received, page))
		page++;
	if (page == end)
		return 0;
	return rj_fail(err, -EPROTO,
		       "block %s, page %llu: a run of kind %s, wanted the page "
		       "itself first",
		       piece->block->name, (unsigned long long)page,
		       rj_run_rows[piece->run.kind].name);
}

int rj_target_memory_place(struct rj_target_memory *memory,
			   struct rj_page_codec *codec,
			   const struct rj_frame *frame, const uint8_t *table,
			   struct rj_scatter *ret, struct ramjet_error *err)
{
	struct rj_run_piece piece = { 0 };
	uint64_t next_page = 0;
	int rc;

	if (frame->block >= memory->block_count)
		return rj_fail(err, -EPROTO,
			       "PAGES frame: block %u, there are %u",
			       frame->block, memory->block_count);
	piece.block = &memory->blocks[frame->block];
	piece.received = &memory->received[frame->block];
	rc = rj_table_check(frame, table, piece.block->page_count, err);
	if (rc) {
		rj_error_prefix(err, "block %s", piece.block->name);
		return rc;
	}
	/* What is placed here, and not by the kernel, is read and written: so
	 * the file must reach that far. Where raw pages go, the kernel says
	 * EFAULT. */
	rc = rj_backing_check(piece.block, 0, piece.block->page_count, err);
	ret->count = ret->untouched_count = 0;
	memset(ret->pages, 0, sizeof(ret->pages));
	rj_page_codec_begin(codec);
	for (uint32_t i = 0; !rc && i < frame->run_count;
	     i += rj_run_entries(piece.run.kind)) {
		rc = rj_run_decode(table, i, piece.block->page_count,
				   &next_page, &piece.run, err);
		if (rc)
			break;
		piece.bytes =
			(uint32_t)rj_run_payload_bytes(table, i, &piece.run);
		piece.word = rj_run_word(table, i, piece.run.kind);
		if (rj_unlikely(rj_run_rows[piece.run.kind].builds))
			rc = check_built_on(&piece, err);
		if (rc)
			break;
		rc = (piece.block->foreign ? place_foreign : place_run)(
			memory, codec, frame->block, &piece, ret, err);
	}
	return rc;
}

static int add_to_sum(void *user, struct ramjet_error *err)
{
	(void)err;
	rj_payload_sum_add(user);
	return 0;
}

int rj_target_memory_sum(const struct rj_block *block,
			 struct rj_payload_sum *sum, struct ramjet_error *err)
{
	return sum ? rj_sigbus_run(block, add_to_sum, sum, err) : 0;
}
