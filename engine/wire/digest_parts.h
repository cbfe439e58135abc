/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_WIRE_DIGEST_PARTS_H
#define RJ_ENGINE_WIRE_DIGEST_PARTS_H
/*
 * Where two copies of a block differ, beside its digest, which only says that
 * they do. The block is cut into parts of equally many pages; of each, the low
 * halves of its pages' hashes are summed up, modulo 2^64, once as they are and
 * once multiplied by the page's index. If one page of a part differs, the
 * quotient of the two differences is its index.
 */
#include <stddef.h>
#include <stdint.h>

#define RJ_DIGEST_PARTS 256u
/* On the wire: pairs of little-endian u64, in order. */
#define RJ_DIGEST_PARTS_BYTES (RJ_DIGEST_PARTS * 16u)

struct rj_digest_parts {
	uint64_t sum[RJ_DIGEST_PARTS];
	uint64_t weighed[RJ_DIGEST_PARTS];
};

/* How many pages make a part of a block of so many. */
static inline uint64_t rj_digest_part_pages(uint64_t page_count)
{
	return page_count / RJ_DIGEST_PARTS + !!(page_count % RJ_DIGEST_PARTS);
}

static inline void rj_digest_parts_add(struct rj_digest_parts *parts,
				       uint64_t part_pages, uint64_t page,
				       uint64_t hash)
{
	parts->sum[page / part_pages] += hash;
	parts->weighed[page / part_pages] += hash * page;
}

void rj_digest_parts_merge(struct rj_digest_parts *into,
			   const struct rj_digest_parts *from);
void rj_digest_parts_encode(const struct rj_digest_parts *parts, uint8_t *out);
void rj_digest_parts_decode(const uint8_t *in, struct rj_digest_parts *ret);
/* "page 17, some of pages 64 to 127 and elsewhere": the first places. "": none that the
 * parts tell of. */
void rj_digest_parts_compare(const struct rj_digest_parts *theirs,
			     const struct rj_digest_parts *ours,
			     uint64_t page_count, char *text, size_t size);
#endif
