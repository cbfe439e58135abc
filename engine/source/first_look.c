/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/first_look.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "engine/stats/counters.h"
#include "util/error.h"

/* All of the block at the beginning, and no window of it: huge pages that are
 * larger are protected as a whole or not at all. And to settle, which may take
 * as long as a disk does, after each window would take for ever. */
static bool is_armed_at_once(const struct rj_first_look *look, unsigned block)
{
	return look->regions[block].page_bytes > RJ_CHUNK_BYTES ||
	       rj_dirty_set_needs_settle(look->dirty);
}

/* ---- asked by workers -------------------------------------------------- */

static int arm(void *user, unsigned block, uint64_t first_page, uint64_t count,
	       struct ramjet_error *err)
{
	struct rj_first_look *look = user;

	return is_armed_at_once(look, block)
		       ? 0
		       : rj_dirty_set_arm(look->dirty, block, first_page, count,
					  err);
}

static int look_at(void *user, unsigned block, uint64_t first_page,
		   uint64_t count, struct rj_bitmap *bm,
		   struct ramjet_error *err)
{
	struct rj_first_look *look = user;
	const char *reason;
	const int rc = rj_populated_look(&look->looks[block], first_page, count,
					 bm, &reason, err);

	if (!rc && *reason)
		rj_env_path_now(look->env, "populated map",
				rj_populated_method_name(RJ_POPULATED_ALL),
				reason);
	return rc;
}

static uint64_t peek(void *user, unsigned block, uint64_t first_page,
		     uint64_t count)
{
	struct rj_first_look *look = user;

	return rj_populated_first(&look->looks[block], first_page, count);
}

static void found(void *user, unsigned block, uint64_t count, uint64_t held)
{
	struct rj_first_look *look = user;

	/* relaxed: a figure */
	atomic_fetch_add_explicit(&look->untouched_pages[block], count - held,
				  memory_order_relaxed);
}

/* ---- what the kernel counts -------------------------------------------- */

/* Of the whole process, in pages: its own memory, and huge pages. */
static uint64_t pages_of_process(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	uint64_t kib, sum = 0;
	char line[128];

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "RssAnon: %" SCNu64, &kib) == 1 ||
		    sscanf(line, "VmSwap: %" SCNu64, &kib) == 1 ||
		    sscanf(line, "HugetlbPages: %" SCNu64, &kib) == 1)
			sum += kib;
	if (status)
		(void)fclose(status);
	return sum * 1024 / RAMJET_PAGE_BYTES;
}

static uint64_t pages_of_file(int fd)
{
	struct stat st;

	/* 512: what st_blocks counts in, whatever the file system's blocks */
	return fstat(fd, &st)
		       ? UINT64_MAX
		       : (uint64_t)st.st_blocks * 512 / RAMJET_PAGE_BYTES;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t guess(const struct rj_first_look *look)
{
	uint64_t pages = 0, own = 0;

	for (unsigned i = 0; i < look->block_count; i++) {
		const struct ramjet_dirty_region *region = &look->regions[i];

		switch ((enum rj_populated_method)look->looks[i].method) {
		case RJ_POPULATED_PAGEMAP_SCAN:
			own += region->page_count;
			break;
		case RJ_POPULATED_SEEK_DATA:
		case RJ_POPULATED_UFFD_CONTINUE:
			pages += lesser(region->page_count,
					pages_of_file(region->fd));
			break;
		case RJ_POPULATED_ASKED: /* would take a look at all */
		case RJ_POPULATED_ALL:
			pages += region->page_count;
			break;
		}
	}
	return pages + (own ? lesser(own, pages_of_process()) : 0);
}

/* ---- control thread ---------------------------------------------------- */

static int open_block(struct rj_first_look *look, unsigned index,
		      struct ramjet_error *err)
{
	struct rj_populated *populated = &look->looks[index];
	const char *reason = look->lazy[index];
	int rc = 0;

	if (reason)
		rj_populated_open_all(populated, &look->regions[index]);
	else
		rc = rj_populated_open(populated, &look->regions[index],
				       &look->scans, &reason, err);
	if (rc)
		return rc;
	rj_env_path(look->env, "populated map",
		    rj_populated_method_name(populated->method), reason);
	return rj_dirty_set_needs_arm(look->dirty) &&
			       is_armed_at_once(look, index)
		       ? rj_dirty_set_arm(look->dirty, index, 0,
					  look->regions[index].page_count, err)
		       : 0;
}

int rj_first_look_open(struct rj_first_look *look, struct rj_rounds *rounds,
		       struct ramjet_error *err)
{
	static const struct rj_first_round_ops arming = {
		.arm = arm,
		.look = look_at,
		.peek = peek,
		.found = found,
	};
	static const struct rj_first_round_ops looking = {
		.look = look_at,
		.peek = peek,
		.found = found,
	};
	int rc = 0;

	look->looks = calloc(look->block_count, sizeof(*look->looks));
	if (!look->looks)
		return rj_fail(err, -ENOMEM, "first round: out of memory");
	look->opened = true;
	for (unsigned i = 0; !rc && i < look->block_count; i++)
		rc = open_block(look, i, err);
	if (!rc)
		rc = rj_dirty_set_settle(look->dirty, err);
	if (rc)
		return rc;
	look->guessed_pages = guess(look);
	rc = rj_first_round_init(&look->round, rounds->placement,
				 rounds->maps[0], look->block_count,
				 rj_dirty_set_needs_arm(look->dirty) ? &arming
								     : &looking,
				 look, err);
	if (!rc)
		rj_rounds_find_first(rounds, &look->round);
	return rc;
}

void rj_first_look_close(struct rj_first_look *look)
{
	if (!look->opened)
		return;
	for (unsigned i = 0; i < look->block_count; i++)
		rj_populated_close(&look->looks[i]);
	free(look->looks);
	rj_scan_pool_close(&look->scans);
	rj_first_round_done(&look->round);
	*look = (struct rj_first_look){ 0 };
}

uint64_t rj_first_look_empty(const struct rj_first_look *look)
{
	return rj_first_round_empty(&look->round);
}

uint64_t rj_first_look_hardly(const struct rj_first_look *look)
{
	const uint64_t unasked = rj_first_round_unasked(&look->round);
	const uint64_t empty = rj_first_round_empty(&look->round);
	uint64_t all = 0, held, to_come;

	for (unsigned i = 0; i < look->block_count; i++)
		all += look->regions[i].page_count;
	held = all - lesser(all, unasked + empty);
	to_come = look->guessed_pages - lesser(held, look->guessed_pages);
	return unasked - lesser(unasked, to_come);
}

/* A chunk of the block that holds something. */
static int find_some(struct rj_first_look *look, unsigned index,
		     struct rj_bitmap *bm, struct ramjet_error *err)
{
	const uint64_t end = look->regions[index].page_count;
	const uint64_t page = rj_populated_first(&look->looks[index], 0, end);
	const char *reason;

	return page < end
		       ? rj_populated_look(&look->looks[index], page,
					   lesser(end - page, RJ_CHUNK_PAGES),
					   bm, &reason, err)
		       : 0;
}

void rj_first_look_try_digest(struct rj_first_look *look, unsigned index,
			      struct rj_digest_trial *trial)
{
	const uint64_t pages = look->regions[index].page_count;
	struct rj_bitmap some = { 0 };

	/* Nothing there: nothing to try. */
	if (rj_counter(&look->untouched_pages[index]) == pages)
		return;
	if (!rj_bitmap_init(&some, pages, NULL) &&
	    !find_some(look, index, &some, NULL))
		rj_digest_try(trial, &look->blocks[index], &some);
	rj_bitmap_done(&some);
}
