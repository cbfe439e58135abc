/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/digest.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "dirty/populated.h"
#include "engine/guest/backing.h"
#include "engine/guest/region.h"
#include "engine/page/memory.h"
#include "engine/page/zero.h"
#include "util/clock.h"
#include "util/cpus.h"
#include "util/error.h"
#include "util/mutex.h"
#include "util/thread.h"

/* Chosen. Memory is what limits beyond some threads; a trial on 16 MiB takes some
 * milliseconds, and shorter ones tell more of the caches. */
#define THREADS_MAX 16u
#define TRIAL_PAGES 4096u
/* A fault, and the page read: at most, on a machine of today. */
#define UNTOUCHED_PAGE_US 1u
#define CHUNKS_A_THREAD   16u /* less is not worth a thread */
#define LOOK_PAGES        4u  /* at once, should they have to be copied */

/* Of some pages of a block. */
struct sums {
	struct rj_digest whole;
	struct rj_digest_parts parts;
	uint64_t part_pages;
};

RJ_GUEST_MEMORY static void add_page(const uint8_t *content, uint64_t page,
				     struct sums *sums)
{
	XXH128_hash_t hash;

	if (rj_page_is_zero(content))
		return;
	hash = XXH3_128bits_withSeed(content, RAMJET_PAGE_BYTES, page);
	sums->whole.low += hash.low64;
	sums->whole.high += hash.high64;
	rj_digest_parts_add(&sums->parts, sums->part_pages, page, hash.low64);
}

static int add_run(const struct rj_block *block, uint64_t page, uint64_t count,
		   struct sums *sums, struct ramjet_error *err)
{
	_Alignas(64) uint8_t scratch[LOOK_PAGES * RAMJET_PAGE_BYTES];

	while (count) {
		const uint32_t piece =
			count < LOOK_PAGES ? (uint32_t)count : LOOK_PAGES;
		const uint8_t *content =
			rj_pages_look(block, page, piece, scratch, err);

		if (!content)
			return err->code;
		for (uint32_t i = 0; i < piece; i++)
			add_page(content + i * RAMJET_PAGE_BYTES, page + i,
				 sums);
		page += piece;
		count -= piece;
	}
	return 0;
}

/* One block, hashed by several threads: each takes the next chunk that has
 * populated pages and sums up on its own. */
struct job {
	const struct rj_block *block;
	struct rj_bitmap *populated;
	int wake_fd; /* readable: give up; -1: never */
	_Atomic uint64_t next_chunk;
	struct rj_mutex lock;
	/* guarded by lock */
	struct sums sums;
	struct ramjet_error failure; /* the first */
};

static int add_chunk(struct job *job, uint64_t chunk, struct sums *sums,
		     struct ramjet_error *err)
{
	const uint64_t base = chunk * RJ_CHUNK_PAGES;
	uint64_t words[RJ_CHUNK_WORDS] = { 0 };
	uint64_t from = 0;
	struct rj_run run;
	int rc = 0;

	(void)rj_bitmap_claim_chunk(job->populated, chunk, words);
	while (!rc) {
		run = rj_words_next_run(words, RJ_CHUNK_PAGES, from);
		if (!run.count)
			break;
		from = run.first + run.count;
		rc = add_run(job->block, base + run.first, run.count, sums,
			     err);
	}
	return rc;
}

static bool is_awake(const struct job *job)
{
	struct pollfd wake = { .fd = job->wake_fd, .events = POLLIN };

	return job->wake_fd >= 0 && poll(&wake, 1, 0) > 0;
}

/* Is what is to be read there? */
static bool is_there(struct job *job, struct ramjet_error *err)
{
	return !rj_backing_check(job->block, 0, job->block->page_count, err);
}

static void end_all(struct job *job)
{
	atomic_store_explicit(&job->next_chunk, job->populated->chunk_count,
			      memory_order_relaxed);
}

static void *hash_chunks(void *arg)
{
	struct job *job = arg;
	struct ramjet_error err = { 0 };
	const uint64_t end = job->populated->chunk_count;
	struct sums sums = {
		.part_pages = rj_digest_part_pages(job->block->page_count),
	};

	for (;;) {
		/* relaxed: only hands out numbers; join orders the rest */
		uint64_t chunk = atomic_fetch_add_explicit(
			&job->next_chunk, 1, memory_order_relaxed);

		if (chunk >= end || is_awake(job))
			break;
		if (rj_bitmap_next_chunk(job->populated, chunk, chunk + 1) !=
		    chunk)
			continue;
		if (!is_there(job, &err) ||
		    add_chunk(job, chunk, &sums, &err)) {
			end_all(job);
			break;
		}
	}
	rj_lock(&job->lock);
	job->sums.whole.low += sums.whole.low;
	job->sums.whole.high += sums.whole.high;
	rj_digest_parts_merge(&job->sums.parts, &sums.parts);
	if (err.code && !job->failure.code)
		job->failure = err;
	rj_unlock(&job->lock);
	return NULL;
}

static unsigned wanted_threads(const struct rj_bitmap *populated)
{
	const uint64_t useful = populated->chunk_count / CHUNKS_A_THREAD + 1;
	unsigned count = rj_allowed_cpus();

	if (count > THREADS_MAX)
		count = THREADS_MAX;
	return useful < count ? (unsigned)useful : count;
}

/* The calling thread works, too; helpers that do not start are done without. */
static void run_job(struct job *job)
{
	const unsigned wanted = wanted_threads(job->populated) - 1;
	pthread_t threads[THREADS_MAX];
	unsigned started = 0;

	while (started < wanted &&
	       !rj_thread_start(&threads[started], "rj/hash", hash_chunks,
				job)) {
		started++;
	}
	(void)hash_chunks(job);
	for (unsigned i = 0; i < started; i++)
		(void)pthread_join(threads[i], NULL);
}

int rj_digest_block(const struct rj_block *block, struct rj_digest *ret,
		    struct ramjet_error *err)
{
	struct rj_digest_parts parts;

	return rj_digest_block_until(block, RJ_DIGEST_OF_POPULATED, -1, ret,
				     &parts, err);
}

static int find_pages(const struct rj_block *block, enum rj_digest_of of,
		      struct rj_bitmap *ret, struct ramjet_error *err)
{
	const struct ramjet_dirty_region region = rj_block_region(block);
	enum rj_populated_method method;
	const char *reason;

	if (of != RJ_DIGEST_OF_ALL)
		return rj_populated_scan(&region, ret, &method, &reason, err);
	(void)rj_bitmap_set_run(ret, 0, block->page_count);
	return 0;
}

int rj_digest_block_until(const struct rj_block *block, enum rj_digest_of of,
			  int wake_fd, struct rj_digest *ret,
			  struct rj_digest_parts *ret_parts,
			  struct ramjet_error *err)
{
	struct rj_bitmap populated = { 0 };
	struct job job = {
		.block = block,
		.populated = &populated,
		.wake_fd = wake_fd,
	};
	int rc;

	rc = rj_bitmap_init(&populated, block->page_count, err);
	if (!rc)
		rc = find_pages(block, of, &populated, err);
	if (!rc) {
		rj_mutex_init(&job.lock);
		run_job(&job);
		rj_mutex_done(&job.lock);
		*ret = job.sums.whole;
		*ret_parts = job.sums.parts;
		rc = is_awake(&job) ? -ECANCELED : 0;
		if (job.failure.code)
			rc = rj_fail(err, job.failure.code, "%s",
				     job.failure.message);
	}
	rj_bitmap_done(&populated);
	return rc;
}

uint64_t rj_digest_predict_us(const struct rj_block *block,
			      enum rj_digest_of of,
			      const struct rj_bitmap *populated, uint64_t pages)
{
	/* Trying these would populate them. */
	const uint64_t others_us =
		of == RJ_DIGEST_OF_ALL
			? (block->page_count - pages) * UNTOUCHED_PAGE_US
			: 0;
	const uint64_t began_us = rj_now_us();
	struct sums ignored = {
		.part_pages = rj_digest_part_pages(block->page_count),
	};
	uint64_t tried = 0, chunk = 0;
	struct ramjet_error none = { 0 };

	while (tried < TRIAL_PAGES &&
	       !rj_backing_check(block, 0, block->page_count, NULL) &&
	       (chunk = rj_bitmap_next_chunk(populated, chunk,
					     populated->chunk_count)) <
		       populated->chunk_count) {
		const uint64_t first = chunk++ * RJ_CHUNK_PAGES;

		for (uint64_t i = first;
		     i < first + RJ_CHUNK_PAGES && i < populated->page_count;
		     i++) {
			if (!rj_bitmap_test(populated, i))
				continue;
			if (add_run(block, i, 1, &ignored, &none))
				return 0;
			tried++;
		}
	}
	tried += !tried;
	return ((rj_now_us() - began_us) * pages / tried + others_us) /
	       wanted_threads(populated);
}
