/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RAMJET_SAVINGS_H
#define RAMJET_SAVINGS_H
/* What a migration did to send fewer bytes, and what came of it. Part of
 * ramjet.h, which includes it; the rules are ramjet.h's. */
#include "ramjet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* No zstd at all, beside its levels, of which some are below 0. */
#define RAMJET_LEVEL_OFF INT32_MIN

/* From here on, until its next one, a channel compressed at this level. */
struct ramjet_level {
	size_t size;
	uint64_t since_us; /* since the migration began */
	int32_t level;     /* or RAMJET_LEVEL_OFF */
	uint32_t channel;
};

/* Counted on this side: what a source has sent, or a target received. */
struct ramjet_savings {
	size_t size;
	/* Bytes of all pages that were not zero, as often as they went, and
	 * of what went for them. */
	uint64_t full_bytes;
	uint64_t payload_bytes;
	uint64_t word_pages; /* one word of 8 bytes each: no payload */
	/* By zstd: pages that got smaller; the bytes of all that it was given,
	 * and what became of them. */
	uint64_t compressed_pages;
	uint64_t zstd_in_bytes;
	uint64_t zstd_out_bytes;
	/* Given to zstd in vain: they went as they are. Source. */
	uint64_t zstd_refused_pages;
	/* The workers' time in it: compressing (source; in vain included),
	 * decompressing (target). */
	uint64_t zstd_cpu_us;
	/* As what had changed in them: pages, and what went for these. */
	uint64_t delta_pages;
	uint64_t delta_bytes;
	/* Source: copies of what was sent. */
	uint64_t cache_bytes; /* the most it may take; 0: there is none */
	uint64_t cache_pages;
	uint64_t cache_hits;   /* pages with a copy to build on */
	uint64_t cache_misses; /* sent before, and without */
	uint64_t cache_evictions;
	/* Source: pages that were written again and again. */
	uint64_t hot_most_pages;   /* held back at once, at most */
	uint64_t hot_spared_pages; /* sends that this has spared: an estimate */
	/* Left by a round to the next one: written again already. */
	uint64_t hot_skipped_pages;
	/* Source: levels over time, by their beginning: of each channel the
	 * latest RAMJET_LEVELS_MAX. `levels_total`: all changes there were. */
	const struct ramjet_level *levels;
	size_t level_count;
	uint64_t levels_total;
};
#define RAMJET_LEVELS_MAX 64u

/* As ramjet_info(): a snapshot, *returned*, in every state, from any thread. */
int ramjet_savings(const struct ramjet_migration *migration,
		   struct ramjet_savings **ret);
void ramjet_savings_free(struct ramjet_savings *savings);

#ifdef __cplusplus
}
#endif
#endif
