/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/guest/headroom.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "util/error.h"
#include "util/memory_limit.h"

/* Chosen: what the kernel and we need beside the pages of the guest. */
#define MARGIN_BYTES (UINT64_C(4) << 20) /* buffers, page tables */
#define FRAME_BYTES  (UINT64_C(2) << 20) /* what a source sends at a time */
/* Chosen: a look is cheap beside a GiB, and others may take memory meanwhile. */
#define LOOKED_AT_MAX (UINT64_C(1) << 30)
/* Others take memory as well: look again well before it is used up. */
#define SHARE 4u

void rj_headroom_init(struct rj_headroom *room, unsigned workers)
{
	room->root = "";
	room->margin = MARGIN_BYTES + workers * FRAME_BYTES;
	atomic_init(&room->until_look, 0);
}

/* hugetlb pages come from a pool of their own; when it is empty, the kernel
 * says so. */
static bool is_hugetlb(const struct rj_block *block)
{
	struct statfs fs;

	return block->fd >= 0 && !fstatfs(block->fd, &fs) &&
	       fs.f_type == (__fsword_t)HUGETLBFS_MAGIC;
}

/* The first page that is not there, or NULL: nothing will be taken. */
static const uint8_t *find_absent(const struct rj_block *block,
				  const struct iovec *parts, unsigned count)
{
	unsigned char resident[64];

	for (unsigned i = 0; i < count; i++) {
		uint8_t *at = parts[i].iov_base;
		const size_t pages =
			rj_block_holds(block, at)
				? parts[i].iov_len / RAMJET_PAGE_BYTES
				: 0;

		for (size_t done = 0; done < pages; done++) {
			const size_t k = done % sizeof(resident);
			const size_t left = pages - done;
			uint8_t *from = at + done * RAMJET_PAGE_BYTES;

			if (!k && mincore(from,
					  (left < sizeof(resident)
						   ? left
						   : sizeof(resident)) *
						  RAMJET_PAGE_BYTES,
					  resident))
				return NULL;
			if (!(resident[k] & 1))
				return from;
		}
	}
	return NULL;
}

static int look(struct rj_headroom *room, const struct rj_block *block,
		const struct iovec *parts, unsigned count, uint64_t bytes,
		struct ramjet_error *err)
{
	struct rj_memory_limit limit;
	const uint8_t *absent;
	uint64_t more;

	rj_memory_limit_of(room->root, &limit);
	/* They may be many: a run of one word takes no more than its entries on
	 * the wire. */
	if (limit.available > room->margin &&
	    limit.available - room->margin >= bytes) {
		more = (limit.available - room->margin) / SHARE;
		if (more > LOOKED_AT_MAX)
			more = LOOKED_AT_MAX;
		atomic_store_explicit(&room->until_look, (int64_t)more,
				      memory_order_relaxed);
		return 0;
	}
	if (is_hugetlb(block))
		return 0;
	absent = find_absent(block, parts, count);
	if (!absent)
		return 0;
	return rj_fail(err, -ENOMEM,
		       "block %s, offset %llu: no memory for it: %s has %llu "
		       "MiB, %llu are in use and %llu must be left over",
		       block->name, (unsigned long long)(absent - block->host),
		       limit.by, (unsigned long long)(limit.limit >> 20),
		       (unsigned long long)(limit.used >> 20),
		       (unsigned long long)(room->margin >> 20));
}

int rj_headroom_take(struct rj_headroom *room, const struct rj_block *block,
		     const struct iovec *parts, unsigned count,
		     struct ramjet_error *err)
{
	int64_t bytes = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += (int64_t)parts[i].iov_len;
	if (rj_likely(!bytes ||
		      atomic_fetch_sub_explicit(&room->until_look, bytes,
						memory_order_relaxed) > bytes))
		return 0;
	return look(room, block, parts, count, (uint64_t)bytes, err);
}
