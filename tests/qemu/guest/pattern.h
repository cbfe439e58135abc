/* SPDX-License-Identifier: BSD-3-Clause */
/* What a unit of memory, of a file or of a disk contains: its first word says
 * what it is, which one, and how often it was written; all others follow from
 * that word.  So a unit that is lost, old, torn or another one is told apart. */
#ifndef RAMJET_TESTS_QEMU_PATTERN_H
#define RAMJET_TESTS_QEMU_PATTERN_H

#include <stdint.h>

#include "guest.h"

enum pattern_kind {
	PATTERN_MEMORY = 0xa1,
	PATTERN_FILE = 0xf2,
	PATTERN_DISK = 0xd3,
};

#define GENERATION_BITS 24
#define NUMBER_BITS     32

static inline uint64_t pattern_head(enum pattern_kind kind, uint64_t number,
				    uint64_t generation)
{
	return (uint64_t)kind << (NUMBER_BITS + GENERATION_BITS) |
	       number << GENERATION_BITS |
	       (generation & ((1u << GENERATION_BITS) - 1));
}

/* The word at `index`, above 0, of a unit with this head. */
static inline uint64_t pattern_word(uint64_t head, size_t index)
{
	/* An odd number spreads neighbouring heads over all bits. */
	return head * 0x9e3779b97f4a7c15u + index;
}

static inline void pattern_fill(uint64_t *words, size_t count, uint64_t head)
{
	uint64_t base = pattern_word(head, 0);

	words[0] = head;
	for (size_t i = 1; i < count; i++)
		words[i] = base + i;
}

/* Says what is wrong, once a unit. */
static inline bool pattern_check(const char *what, const uint64_t *words,
				 size_t count, uint64_t head)
{
	uint64_t base = pattern_word(head, 0);
	size_t i = 0;
	uint64_t number_mask = (1ull << NUMBER_BITS) - 1;
	uint64_t generation_mask = (1ull << GENERATION_BITS) - 1;

	if (words[0] == head)
		for (i = 1; i < count && words[i] == base + i;)
			i++;
	if (i == count)
		return true;
	say("CORRUPT %s %llu of generation %llu: word %zu of %zu is %#llx "
	    "at %p, the first is %#llx (number %llu, generation %llu)",
	    what, (unsigned long long)(head >> GENERATION_BITS & number_mask),
	    (unsigned long long)(head & generation_mask), i, count,
	    (unsigned long long)words[i], (const void *)&words[i],
	    (unsigned long long)words[0],
	    (unsigned long long)(words[0] >> GENERATION_BITS & number_mask),
	    (unsigned long long)(words[0] & generation_mask));
	return false;
}

#endif
