/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/receive/populate_ahead.h"

#include <stdint.h>
#include <sys/mman.h>

#include "ramjet.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

const char *rj_populate_ahead_refusal(void)
{
	const char *refusal = NULL;
	void *page = mmap(NULL, RAMJET_PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return "no memory to try it on";
	if (madvise(page, RAMJET_PAGE_BYTES, MADV_POPULATE_WRITE))
		refusal = "the kernel has no MADV_POPULATE_WRITE";
	(void)munmap(page, RAMJET_PAGE_BYTES);
	return refusal;
}

/* Cut a piece off what is left. */
static bool next_piece_locked(struct rj_populate_ahead *ahead,
			      struct iovec *ret) RJ_REQUIRES(ahead->side.lock)
{
	struct iovec *run = &ahead->runs[ahead->next];

	if (ahead->next == ahead->end)
		return false;
	*ret = *run;
	if (ret->iov_len > RJ_POPULATE_PIECE_BYTES)
		ret->iov_len = RJ_POPULATE_PIECE_BYTES;
	run->iov_base = (uint8_t *)run->iov_base + ret->iov_len;
	run->iov_len -= ret->iov_len;
	ahead->next += !run->iov_len;
	return true;
}

/* Wait for a piece to populate. False: the thread is to end. */
static bool await_piece(struct rj_populate_ahead *ahead, struct iovec *ret)
{
	bool found = false;

	rj_lock(&ahead->side.lock);
	while (!ahead->side.stop && !found) {
		found = next_piece_locked(ahead, ret);
		if (!found)
			rj_cond_wait(&ahead->side.changed, &ahead->side.lock);
	}
	rj_unlock(&ahead->side.lock);
	return found;
}

static void *populate_thread(void *arg)
{
	struct rj_populate_ahead *ahead = arg;
	struct iovec piece;

	while (await_piece(ahead, &piece)) {
		/* What goes wrong here goes wrong for the receive as well,
		 * which is asked for the reason. */
		(void)madvise(piece.iov_base, piece.iov_len,
			      MADV_POPULATE_WRITE);
		rj_side_thread_count(&ahead->side);
	}
	return NULL;
}

int rj_populate_ahead_start(struct rj_populate_ahead *ahead, unsigned worker)
{
	return rj_side_thread_start(&ahead->side, "fill", worker,
				    populate_thread, ahead);
}

void rj_populate_ahead_stop(struct rj_populate_ahead *ahead)
{
	rj_side_thread_stop(&ahead->side);
}

static void take_offer_locked(struct rj_populate_ahead *ahead,
			      const struct iovec *iov, const bool *untouched,
			      unsigned count) RJ_REQUIRES(ahead->side.lock)
{
	size_t skip = RJ_POPULATE_PIECE_BYTES;

	ahead->next = ahead->end = 0;
	for (unsigned i = 0; i < count && ahead->end < RJ_POPULATE_RUNS_MAX;
	     i++) {
		const size_t bytes = iov[i].iov_len;

		if (bytes <= skip) {
			skip -= bytes;
			continue;
		}
		if (untouched[i] && bytes - skip >= RJ_POPULATE_RUN_BYTES_MIN)
			ahead->runs[ahead->end++] = (struct iovec){
				(uint8_t *)iov[i].iov_base + skip,
				bytes - skip,
			};
		skip = 0;
	}
}

void rj_populate_ahead_offer(struct rj_populate_ahead *ahead,
			     const struct iovec *iov, const bool *untouched,
			     unsigned count)
{
	if (!ahead->side.started)
		return;
	rj_lock(&ahead->side.lock);
	take_offer_locked(ahead, iov, untouched, count);
	if (ahead->end)
		(void)pthread_cond_signal(&ahead->side.changed);
	rj_unlock(&ahead->side.lock);
}
