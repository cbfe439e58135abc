/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads. Who asks starts a conductor and waits for it, looking after his own
 * affairs; the conductor and a crew beside it hash. A piece has all of its work in
 * it: which of its pages are populated, and their sums; only adding these to the
 * block's takes a lock.
 */
#include "engine/page/digest.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/populated.h"
#include "engine/guest/backing.h"
#include "engine/guest/region.h"
#include "engine/guest/sigbus.h"
#include "engine/page/digest_pieces.h"
#include "engine/page/page_sums.h"
#include "util/clock.h"
#include "util/cpus.h"
#include "util/crew.h"
#include "util/error.h"
#include "util/mutex.h"
#include "util/thread.h"

#define THREADS_MAX 64u /* chosen: memory is what limits long before */
#define LOOK_NS     (20 * UINT64_C(1000000)) /* digest.h */

struct job {
	const struct rj_digest_ask *ask;
	struct rj_digest_pieces pieces;
	unsigned size; /* how many hash */
	/* One a member: which pages of its piece are populated. Clear between
	 * pieces; made when it is first wanted. */
	struct rj_bitmap *populated;
	_Atomic int *methods; /* one a block: 1 + its method; 0: not chosen */
	atomic_bool give_up;  /* relaxed: soon is enough */

	struct rj_mutex lock;
	pthread_cond_t changed;
	/* guarded by lock */
	struct rj_block_digest *digests;
	bool over;
	int rc;
	struct ramjet_error failure;
};

/* ---- a piece --------------------------------------------------------------- */

static bool is_awake(const struct job *job)
{
	struct pollfd wake = { .fd = job->ask->wake_fd, .events = POLLIN };

	return atomic_load_explicit(&job->give_up, memory_order_relaxed) ||
	       (wake.fd >= 0 && poll(&wake, 1, 0) > 0);
}

static enum rj_populated_method method_of(struct job *job, unsigned block)
{
	const struct ramjet_dirty_region region =
		rj_block_region(&job->ask->blocks[block]);
	int known = atomic_load_explicit(&job->methods[block],
					 memory_order_relaxed);
	const char *reason;

	/* Two may find out at once: the same. */
	if (!known) {
		known = 1 + (int)rj_populated_choose(&region, &reason);
		atomic_store_explicit(&job->methods[block], known,
				      memory_order_relaxed);
	}
	return (enum rj_populated_method)(known - 1);
}

static int find_pages(struct job *job, const struct rj_digest_piece *piece,
		      struct rj_bitmap *ret, struct ramjet_error *err)
{
	const struct ramjet_dirty_region region = rj_block_region_part(
		&job->ask->blocks[piece->block], piece->first, piece->count);
	const char *reason;
	int rc = 0;

	if (!ret->page_count)
		rc = rj_bitmap_init(ret, job->pieces.pages_max, err);
	if (rc)
		return rc;
	if (job->digests[piece->block].of == RJ_DIGEST_OF_ALL) {
		(void)rj_bitmap_set_run(ret, 0, piece->count);
		return 0;
	}
	return rj_populated_scan_as(method_of(job, piece->block), &region, ret,
				    &reason, err);
}

struct adding {
	struct rj_page_sums *sums;
	const struct rj_block *block;
};

static int add_run(void *user, uint64_t first, uint64_t count,
		   struct ramjet_error *err)
{
	const struct adding *adding = user;

	return rj_page_sums_add(adding->sums, adding->block, first, count, err);
}

static int add_pages(const struct job *job, const struct rj_digest_piece *piece,
		     struct rj_bitmap *populated, struct rj_page_sums *sums,
		     struct ramjet_error *err)
{
	const struct rj_block *block = &job->ask->blocks[piece->block];
	const uint64_t chunks = (piece->count - 1) / RJ_CHUNK_PAGES + 1;
	struct adding adding = { sums, block };
	uint64_t chunk = 0;
	int rc = 0;

	while (!rc && (chunk = rj_bitmap_next_chunk(populated, chunk, chunks)) <
			      chunks) {
		uint64_t words[RJ_CHUNK_WORDS] = { 0 };

		if (is_awake(job))
			return -ECANCELED;
		rc = rj_backing_check(block, 0, block->page_count, err);
		if (rc)
			break;
		(void)rj_bitmap_claim_chunk(populated, chunk, words);
		rc = rj_sigbus_run_chunk(block,
					 piece->first + chunk * RJ_CHUNK_PAGES,
					 words, add_run, &adding, err);
		chunk++;
	}
	return rc;
}

static int hash_piece(void *user, unsigned member, uint64_t index,
		      struct ramjet_error *err)
{
	struct job *job = user;
	const struct rj_digest_piece piece =
		rj_digest_piece_at(&job->pieces, index);
	const struct rj_block *block = &job->ask->blocks[piece.block];
	struct rj_bitmap *populated = &job->populated[member];
	struct rj_block_digest *digest = &job->digests[piece.block];
	struct rj_page_sums sums = {
		.part_pages = rj_digest_part_pages(block->page_count),
	};
	int rc = is_awake(job) ? -ECANCELED : 0;

	if (!rc)
		rc = find_pages(job, &piece, populated, err);
	if (!rc)
		rc = add_pages(job, &piece, populated, &sums, err);
	if (rc && err->code && strncmp(err->message, "block ", 6))
		rj_error_prefix(err, "block %s", block->name);
	if (rc)
		return rc;
	rj_lock(&job->lock);
	digest->whole.low += sums.whole.low;
	digest->whole.high += sums.whole.high;
	rj_digest_parts_merge(&digest->parts, &sums.parts);
	rj_unlock(&job->lock);
	return 0;
}

/* ---- all of them ----------------------------------------------------------- */

static void *conduct(void *argument)
{
	struct job *job = argument;
	struct rj_crew crew = { .threads = NULL };
	struct ramjet_error err = { 0 };
	int rc = rj_crew_start(&crew, "rj/hash", job->size, &err);

	if (!rc)
		rc = rj_crew_run(&crew, job->pieces.count, hash_piece, job,
				 &err);
	rj_crew_stop(&crew);
	rj_lock(&job->lock);
	job->over = true;
	job->rc = rc;
	job->failure = err;
	(void)pthread_cond_signal(&job->changed);
	rj_unlock(&job->lock);
	return NULL;
}

/* Until it is over. What the looks found, or 0. */
static int await(struct job *job, struct ramjet_error *err)
{
	const struct rj_digest_ask *ask = job->ask;
	bool over = false;
	int rc = 0;

	while (!over) {
		const uint64_t until_ns = rj_now_ns() + LOOK_NS;
		int found = 0;

		if (ask->look && !rc)
			rc = ask->look(ask->user, err);
		if (rc)
			atomic_store_explicit(&job->give_up, true,
					      memory_order_relaxed);
		rj_lock(&job->lock);
		while (!job->over && found != ETIMEDOUT)
			found = rj_cond_wait_until(&job->changed, &job->lock,
						   until_ns);
		over = job->over;
		rj_unlock(&job->lock);
	}
	return rc;
}

static int run(struct job *job, struct ramjet_error *err)
{
	pthread_t conductor;
	int rc;

	/* Where no thread can be had, nobody looks meanwhile. */
	if (rj_thread_start(&conductor, "rj/hash", conduct, job)) {
		(void)conduct(job);
		rc = await(job, err);
	} else {
		rc = await(job, err);
		(void)pthread_join(conductor, NULL);
	}
	if (rc)
		return rc;
	if (!job->rc)
		return is_awake(job) ? -ECANCELED : 0;
	return job->rc == -ECANCELED
		       ? -ECANCELED
		       : rj_fail(err, job->rc, "%s", job->failure.message);
}

static unsigned wanted_threads(const struct rj_digest_ask *ask)
{
	const unsigned count = ask->threads ? ask->threads : rj_allowed_cpus();

	return count < THREADS_MAX ? count : THREADS_MAX;
}

static int run_job(struct job *job, struct ramjet_error *err)
{
	int rc;

	job->populated = calloc(job->size, sizeof(*job->populated));
	job->methods = calloc(job->ask->block_count, sizeof(*job->methods));
	if (!job->populated || !job->methods)
		return rj_fail(err, -ENOMEM, "digests: out of memory");
	rj_mutex_init(&job->lock);
	rj_cond_init(&job->changed);
	rc = run(job, err);
	(void)pthread_cond_destroy(&job->changed);
	rj_mutex_done(&job->lock);
	return rc;
}

int rj_digest_blocks(const struct rj_digest_ask *ask,
		     struct rj_block_digest *digests, struct ramjet_error *err)
{
	struct job job = {
		.ask = ask,
		.digests = digests,
		.size = wanted_threads(ask),
	};
	int rc;

	for (unsigned i = 0; i < ask->block_count; i++)
		digests[i] = (struct rj_block_digest){ .of = digests[i].of };
	rc = rj_digest_pieces_init(&job.pieces, ask->blocks, ask->block_count,
				   job.size, err);
	if (job.pieces.count < job.size)
		job.size = job.pieces.count ? (unsigned)job.pieces.count : 1;
	if (!rc)
		rc = run_job(&job, err);
	for (unsigned i = 0; job.populated && i < job.size; i++)
		rj_bitmap_done(&job.populated[i]);
	free(job.populated);
	free((void *)job.methods);
	rj_digest_pieces_done(&job.pieces);
	return rc;
}

int rj_digest_block(const struct rj_block *block, struct rj_digest *ret,
		    struct ramjet_error *err)
{
	const struct rj_digest_ask ask = {
		.blocks = block,
		.block_count = 1,
		.wake_fd = -1,
	};
	struct rj_block_digest digest = { .of = RJ_DIGEST_OF_POPULATED };
	const int rc = rj_digest_blocks(&ask, &digest, err);

	*ret = digest.whole;
	return rc;
}
