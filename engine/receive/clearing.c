/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/receive/clearing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/guest/backing.h"
#include "engine/guest/region.h"
#include "engine/guest/sigbus.h"
#include "engine/link/event.h"
#include "engine/migration/migration.h"
#include "engine/page/memory.h"
#include "util/error.h"
#include "util/thread.h"

/* What a thread takes at a time, 1 GiB: whole huge pages of any size. */
#define PIECE_PAGES ((UINT64_C(1) << 30) / RAMJET_PAGE_BYTES)

/* What a thread takes at a time. */
struct piece {
	const struct rj_block *block;
	unsigned index;
	struct rj_bitmap *received;
	uint64_t first, count;
	enum rj_populated_method method;
};

static bool is_stopped(const struct rj_clearing *c)
{
	return atomic_load_explicit(&c->stop, memory_order_relaxed);
}

/* ---- pieces --------------------------------------------------------------- */

static bool is_fresh(const struct rj_block *block)
{
	return block->flags & RAMJET_BLOCK_FRESH;
}

/* The next block that has something left; false: none. */
static bool find_block_locked(struct rj_clearing *c) RJ_REQUIRES(c->lock)
{
	while (c->block < c->block_count &&
	       (is_fresh(&c->blocks[c->block]) ||
		c->page == c->blocks[c->block].page_count)) {
		c->block++;
		c->page = 0;
		c->chosen = false;
	}
	return c->block < c->block_count;
}

static bool next_piece(struct rj_clearing *c, struct piece *ret)
{
	const struct rj_block *block;
	bool found;

	rj_lock(&c->lock);
	found = find_block_locked(c) && !is_stopped(c);
	if (found) {
		const struct ramjet_dirty_region region =
			rj_block_region(&c->blocks[c->block]);
		const char *reason;

		block = &c->blocks[c->block];
		if (!c->chosen)
			c->method =
				c->lazy[c->block]
					? RJ_POPULATED_ALL
					: rj_populated_choose(&region, &reason);
		c->chosen = true;
		*ret = (struct piece){
			.block = block,
			.index = c->block,
			.received = &c->received[c->block],
			.first = c->page,
			.count = block->page_count - c->page,
			.method = c->method,
		};
		if (ret->count > PIECE_PAGES)
			ret->count = PIECE_PAGES;
		c->page += ret->count;
	}
	rj_unlock(&c->lock);
	return found;
}

/* ---- clearing ------------------------------------------------------------- */

static void set_hold(struct rj_clearing *c, unsigned self,
		     struct rj_clearing_hold hold)
{
	rj_lock(&c->lock);
	c->holds[self] = hold;
	if (hold.first == hold.end)
		(void)pthread_cond_broadcast(&c->changed);
	rj_unlock(&c->lock);
}

/* Those of these pages that have not arrived, as many at once as lie side by
 * side. */
static int clear_run(void *user, uint64_t first, uint64_t count,
		     struct ramjet_error *err)
{
	const struct piece *piece = user;
	struct rj_bitmap *received = piece->received;
	const uint64_t end = first + count;
	int rc = 0;

	while (!rc && first < end) {
		uint32_t some = 0;

		while (first + some < end &&
		       rj_bitmap_set_run(received, first + some, 1))
			some++;
		if (some)
			rc = rj_pages_clear(piece->block, first, some, err);
		first += some ? some : 1;
	}
	return rc;
}

/* Those of the chunk's pages that hold something and have not arrived. */
static int clear_chunk(struct rj_clearing *c, unsigned self,
		       struct piece *piece, uint64_t base,
		       const uint64_t words[RJ_CHUNK_WORDS],
		       struct ramjet_error *err)
{
	const struct rj_clearing_hold hold = {
		.block = piece->index,
		.first = base,
		.end = base + RJ_CHUNK_PAGES,
	};
	int rc;

	set_hold(c, self, hold);
	rc = rj_sigbus_run_chunk(piece->block, base, words, clear_run, piece,
				 err);
	set_hold(c, self, (struct rj_clearing_hold){ 0 });
	return rc;
}

static int clear_piece(struct rj_clearing *c, unsigned self,
		       struct piece *piece, struct ramjet_error *err)
{
	const struct ramjet_dirty_region region =
		rj_block_region_part(piece->block, piece->first, piece->count);
	struct rj_bitmap populated = { 0 };
	uint64_t chunk = 0;
	const char *reason;
	int rc;

	rc = rj_bitmap_init(&populated, piece->count, err);
	if (!rc)
		rc = rj_populated_scan_as(piece->method, &region, &populated,
					  &reason, err);
	while (!rc && !is_stopped(c) &&
	       (chunk = rj_bitmap_next_chunk(&populated, chunk,
					     populated.chunk_count)) <
		       populated.chunk_count) {
		uint64_t words[RJ_CHUNK_WORDS] = { 0 };

		rc = rj_backing_check(piece->block, 0, piece->block->page_count,
				      err);
		if (rc)
			break;
		(void)rj_bitmap_claim_chunk(&populated, chunk, words);
		rc = clear_chunk(c, self, piece,
				 piece->first + chunk * RJ_CHUNK_PAGES, words,
				 err);
		chunk++;
	}
	rj_bitmap_done(&populated);
	return rc;
}

/* ---- threads -------------------------------------------------------------- */

/* A thread ends, or one that was counted could not be started. When the last
 * one ends, all is cleared, or it never will be. */
static void leave(struct rj_clearing *c, bool failed)
{
	bool over;

	rj_lock(&c->lock);
	c->failed |= failed || is_stopped(c);
	over = !--c->running && !c->failed;
	rj_unlock(&c->lock);
	if (over)
		atomic_store_explicit(&c->over, true, memory_order_release);
}

static void end_thread(struct rj_clearing *c, const struct ramjet_error *err)
{
	leave(c, err->code != 0);
	if (err->code && c->m)
		rj_migration_fail(c->m, err);
	if (c->event_fd >= 0)
		rj_event_signal(c->event_fd);
}

/* How the blocks are to be looked through. The first thread finds out,
 * without the lock since that takes a while; the others wait for it. False:
 * it failed. */
static bool look(struct rj_clearing *c, unsigned self, struct ramjet_error *err)
{
	const char **lazy = NULL;

	if (!self)
		(void)!rj_blocks_look_lazy(c->blocks, c->block_count, &lazy,
					   err);
	rj_lock(&c->lock);
	if (!self) {
		c->lazy = lazy;
		c->looked = true;
		(void)pthread_cond_broadcast(&c->changed);
	}
	while (!c->looked)
		rj_cond_wait(&c->changed, &c->lock);
	lazy = c->lazy;
	rj_unlock(&c->lock);
	return lazy;
}

static void *clear_thread(void *arg)
{
	struct rj_clearing *c = arg;
	struct ramjet_error err = { 0 };
	struct piece piece;
	unsigned self;
	int rc;

	rj_lock(&c->lock);
	self = c->taken++;
	rj_unlock(&c->lock);
	rc = look(c, self, &err) ? 0 : -ECANCELED;
	while (!rc && next_piece(c, &piece)) {
		rc = clear_piece(c, self, &piece, &err);
		if (rc && !strncmp(err.message, "block ", 6))
			rj_error_prefix(&err, "clearing");
		else if (rc)
			rj_error_prefix(&err, "clearing block %s",
					piece.block->name);
	}
	end_thread(c, &err);
	return NULL;
}

static bool has_work(const struct rj_clearing *c)
{
	for (unsigned i = 0; i < c->block_count; i++)
		if (!is_fresh(&c->blocks[i]))
			return true;
	return false;
}

static int start_threads(struct rj_clearing *c, unsigned threads,
			 struct ramjet_error *err)
{
	int rc = 0;

	if (threads > RJ_CLEARING_THREADS_MAX)
		threads = RJ_CLEARING_THREADS_MAX;
	do {
		char name[16];

		(void)snprintf(name, sizeof(name), "rj/clear/%u", c->started);
		rj_lock(&c->lock);
		c->running++;
		rj_unlock(&c->lock);
		rc = rj_thread_start(&c->threads[c->started], name,
				     clear_thread, c);
		if (!rc)
			c->started++;
	} while (!rc && c->started < threads);
	if (!rc)
		return 0;
	/* Fewer threads than planned will do; none is a failure. */
	leave(c, !c->started);
	return c->started ? 0
			  : rj_fail_errno(err, rc, "clearing memory: a thread");
}

int rj_clearing_start(struct rj_clearing *clearing, struct ramjet_migration *m,
		      const struct rj_block *blocks, unsigned block_count,
		      struct rj_bitmap *received, unsigned threads,
		      int event_fd, struct ramjet_error *err)
{
	*clearing = (struct rj_clearing){
		.m = m,
		.blocks = blocks,
		.block_count = block_count,
		.received = received,
		.event_fd = event_fd,
	};
	rj_mutex_init(&clearing->lock);
	rj_cond_init(&clearing->changed);
	if (has_work(clearing))
		return start_threads(clearing, threads, err);
	atomic_store_explicit(&clearing->over, true, memory_order_release);
	return 0;
}

void rj_clearing_stop(struct rj_clearing *clearing)
{
	if (!clearing->blocks)
		return;
	atomic_store_explicit(&clearing->stop, true, memory_order_relaxed);
	for (unsigned i = 0; i < clearing->started; i++)
		(void)pthread_join(clearing->threads[i], NULL);
	(void)pthread_cond_destroy(&clearing->changed);
	rj_mutex_done(&clearing->lock);
	free(clearing->lazy);
	clearing->lazy = NULL;
	clearing->blocks = NULL;
	clearing->started = 0;
}

bool rj_clearing_is_over(const struct rj_clearing *clearing)
{
	return atomic_load_explicit(&clearing->over, memory_order_acquire);
}

static bool is_held_locked(const struct rj_clearing *c, unsigned block,
			   uint64_t first, uint64_t end) RJ_REQUIRES(c->lock)
{
	for (unsigned i = 0; i < RJ_CLEARING_THREADS_MAX; i++) {
		const struct rj_clearing_hold *hold = &c->holds[i];

		if (hold->block == block && hold->first < end &&
		    first < hold->end)
			return true;
	}
	return false;
}

void rj_clearing_avoid(struct rj_clearing *clearing, unsigned block,
		       uint64_t first_page, uint64_t pages)
{
	if (rj_likely(rj_clearing_is_over(clearing)))
		return;
	rj_lock(&clearing->lock);
	while (is_held_locked(clearing, block, first_page, first_page + pages))
		rj_cond_wait(&clearing->changed, &clearing->lock);
	rj_unlock(&clearing->lock);
}
