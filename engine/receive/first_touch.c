/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing to a file is right only if the file is the memory: so a block
 * qualifies by what the kernel says of its mapping (why_in_place(), refusal()).
 * Whether a chunk is still untouched decides about speed alone, since both ways
 * end in the same pages of the same file: so it is asked once a chunk, and a
 * wrong answer costs time, never content (decisions 013 and 018).
 */
#include "engine/receive/first_touch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dirty/bitmap.h"
#include "dirty/extent.h"
#include "engine/guest/region.h"
#include "util/error.h"

/* x86's and arm64's (with pages of 4 KiB) huge page, from which on one fault
 * serves a whole chunk. */
#define HUGE_BYTES (UINT64_C(2) << 20)

enum chunk {
	UNKNOWN = 0,
	TOUCHED,
	UNTOUCHED,
};

/* Would the kernel refuse to write, or write elsewhere? */
static const char *refusal(const struct rj_block *block)
{
	const int flags = fcntl(block->fd, F_GETFL);
	/* On what cannot be sealed, this fails. */
	const int seals = fcntl(block->fd, F_GET_SEALS);
	struct rlimit limit;

	if (flags < 0 || (flags & O_ACCMODE) != O_RDWR)
		return "the file is not open for reading and writing";
	if (flags & (O_APPEND | O_DIRECT))
		return "the file is open with O_APPEND or O_DIRECT";
	if (seals > 0 && seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return "the file is sealed against writing";
	/* Beyond it, a write would be answered by a signal. */
	if (getrlimit(RLIMIT_FSIZE, &limit) ||
	    block->fd_offset + block->bytes > limit.rlim_cur)
		return "RLIMIT_FSIZE is below the block's end";
	return NULL;
}

/* NULL: by the file, wherever nothing has been touched. */
static const char *why_in_place(const struct rj_block *block)
{
	const struct ramjet_dirty_region region = rj_block_region(block);
	struct stat st;

	if (block->foreign)
		return "not mapped here";
	if (rj_backing_of(&region) != RJ_BACKING_SHARED_FD)
		return "not a shared mapping of the block's fd";
	if (fstat(block->fd, &st) ||
	    (uint64_t)st.st_size < block->fd_offset + block->bytes)
		return "the file ends before the block";
	/* One fault for 512 pages: a second copy would cost more. tmpfs says
	 * by st_blksize that it gives out huge pages. */
	if (block->page_bytes > RAMJET_PAGE_BYTES ||
	    (uint64_t)st.st_blksize >= HUGE_BYTES)
		return "huge pages";
	return refusal(block);
}

int rj_first_touch_init(struct rj_first_touch *touch,
			const struct rj_block *block, struct ramjet_error *err)
{
	const uint64_t chunks =
		(block->page_count + RJ_CHUNK_PAGES - 1) / RJ_CHUNK_PAGES;

	*touch = (struct rj_first_touch){ .block = block };
	rj_mutex_init(&touch->writing);
	touch->why = why_in_place(block);
	touch->by_file = !touch->why;
	touch->small_pages =
		block->page_bytes == RAMJET_PAGE_BYTES && !block->foreign;
	if (touch->by_file)
		touch->why = "shared memory in small pages";
	touch->chunks = calloc(chunks, 1);
	return touch->chunks ? 0
			     : rj_fail(err, -ENOMEM,
				       "block %s: first touch: out of memory",
				       block->name);
}

void rj_first_touch_done(struct rj_first_touch *touch)
{
	if (touch->block)
		rj_mutex_done(&touch->writing);
	free((void *)touch->chunks);
	*touch = (struct rj_first_touch){ 0 };
}

struct rj_first_touch_summary rj_first_touch_summary(
	const struct rj_first_touch *touch, unsigned count)
{
	const struct rj_first_touch *example = touch;
	unsigned by_file = 0, foreign = 0;

	for (unsigned i = 0; i < count; i++) {
		by_file += touch[i].by_file;
		foreign += touch[i].block->foreign != NULL;
		if (example->by_file)
			example = &touch[i];
	}
	return (struct rj_first_touch_summary){
		.chosen = by_file == count     ? "by file"
			  : foreign == count   ? "by operations"
			  : by_file || foreign ? "mixed"
					       : "in place",
		.example = example,
	};
}

/* Of memory that is partly there, all counts as touched. */
static enum chunk look(const struct rj_block *block, uint64_t chunk)
{
	const uint64_t first = chunk * RJ_CHUNK_PAGES;
	const uint64_t left = block->page_count - first;
	const size_t pages = left < RJ_CHUNK_PAGES ? left : RJ_CHUNK_PAGES;
	unsigned char resident[RJ_CHUNK_PAGES];

	if (mincore(block->host + first * RAMJET_PAGE_BYTES,
		    pages * RAMJET_PAGE_BYTES, resident))
		return TOUCHED;
	for (size_t i = 0; i < pages; i++)
		if (resident[i] & 1)
			return TOUCHED;
	return UNTOUCHED;
}

bool rj_first_touch_is_due(struct rj_first_touch *touch, uint64_t page)
{
	const uint64_t chunk = page / RJ_CHUNK_PAGES;
	uint8_t known, seen = UNKNOWN;

	known = atomic_load_explicit(&touch->chunks[chunk],
				     memory_order_relaxed);
	if (known)
		return known == UNTOUCHED;
	/* Another worker may look as well, and find its own pages there: the
	 * first answer stays. It decides about speed alone. */
	known = (uint8_t)look(touch->block, chunk);
	if (!atomic_compare_exchange_strong_explicit(
		    &touch->chunks[chunk], &seen, known, memory_order_relaxed,
		    memory_order_relaxed))
		known = seen;
	return known == UNTOUCHED;
}

bool rj_first_touch_enter(struct rj_first_touch *touch)
{
	if (!touch->by_file)
		return false;
	if (atomic_fetch_add_explicit(&touch->workers, 1,
				      memory_order_relaxed) <
	    RJ_FIRST_TOUCH_WORKERS)
		return true;
	rj_first_touch_leave(touch);
	return false;
}

void rj_first_touch_leave(struct rj_first_touch *touch)
{
	atomic_fetch_sub_explicit(&touch->workers, 1, memory_order_relaxed);
}

static int write_part(const struct rj_block *block, const uint8_t *host,
		      const uint8_t *data, size_t bytes,
		      struct ramjet_error *err)
{
	const uint64_t at = (uint64_t)(host - block->host);
	size_t done = 0;

	while (done < bytes) {
		const ssize_t n = pwrite(block->fd, data + done, bytes - done,
					 (off_t)(block->fd_offset + at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			const int rc = n ? -errno : -EIO;

			(void)rj_fail_errno(
				err, rc,
				"block %s, offset %llu: writing its file",
				block->name, (unsigned long long)(at + done));
			return rc;
		}
		done += (size_t)n;
	}
	return 0;
}

int rj_first_touch_write(struct rj_first_touch *touch,
			 const struct iovec *parts, unsigned count,
			 const uint8_t *data, struct ramjet_error *err)
{
	int rc = 0;

	rj_lock(&touch->writing);
	for (unsigned i = 0; !rc && i < count; i++) {
		rc = write_part(touch->block, parts[i].iov_base, data,
				parts[i].iov_len, err);
		data += parts[i].iov_len;
	}
	rj_unlock(&touch->writing);
	return rc;
}
