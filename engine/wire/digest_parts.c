/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/wire/digest_parts.h"

#include <endian.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* So many places are named in an error. Chosen: it has one line. */
#define PLACES_MAX 4u

void rj_digest_parts_merge(struct rj_digest_parts *into,
			   const struct rj_digest_parts *from)
{
	for (unsigned i = 0; i < RJ_DIGEST_PARTS; i++) {
		into->sum[i] += from->sum[i];
		into->weighed[i] += from->weighed[i];
	}
}

void rj_digest_parts_encode(const struct rj_digest_parts *parts, uint8_t *out)
{
	for (size_t i = 0; i < RJ_DIGEST_PARTS; i++) {
		const uint64_t pair[2] = { htole64(parts->sum[i]),
					   htole64(parts->weighed[i]) };

		memcpy(out + i * sizeof(pair), pair, sizeof(pair));
	}
}

void rj_digest_parts_decode(const uint8_t *in, struct rj_digest_parts *ret)
{
	for (size_t i = 0; i < RJ_DIGEST_PARTS; i++) {
		uint64_t pair[2];

		memcpy(pair, in + i * sizeof(pair), sizeof(pair));
		ret->sum[i] = le64toh(pair[0]);
		ret->weighed[i] = le64toh(pair[1]);
	}
}

/* The one page in [first, end) that alone explains the differences. */
static bool find_page(uint64_t first, uint64_t end, uint64_t sum,
		      uint64_t weighed, uint64_t *ret)
{
	for (uint64_t page = first; page < end; page++) {
		if (page * sum != weighed)
			continue;
		*ret = page;
		return true;
	}
	return false;
}

void rj_digest_parts_compare(const struct rj_digest_parts *theirs,
			     const struct rj_digest_parts *ours,
			     uint64_t page_count, char *text, size_t size)
{
	const uint64_t pages = rj_digest_part_pages(page_count);
	unsigned places = 0;
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < RJ_DIGEST_PARTS && used < size; i++) {
		const uint64_t sum = theirs->sum[i] - ours->sum[i];
		const uint64_t weighed = theirs->weighed[i] - ours->weighed[i];
		const uint64_t first = i * pages;
		const uint64_t end =
			first + pages < page_count ? first + pages : page_count;
		const char *comma = places ? ", " : "";
		uint64_t page;
		int n;

		/* Beyond the block there is nothing that could differ, whatever
		 * the peer says. */
		if ((!sum && !weighed) || first >= page_count)
			continue;
		if (places++ == PLACES_MAX) {
			(void)snprintf(text + used, size - used,
				       " and elsewhere");
			return;
		}
		if (find_page(first, end, sum, weighed, &page))
			n = snprintf(text + used, size - used, "%spage %llu",
				     comma, (unsigned long long)page);
		else
			n = snprintf(text + used, size - used,
				     "%ssome of pages %llu to %llu", comma,
				     (unsigned long long)first,
				     (unsigned long long)end - 1);
		used += n > 0 ? (size_t)n : 0;
	}
}
