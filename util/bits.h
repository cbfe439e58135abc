/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_BITS_H
#define RJ_UTIL_BITS_H
/* Small facts about words of bits. Bit i of a word has value 1 << i. */
#include <stdbool.h>
#include <stdint.h>

#define RJ_WORD_BITS 64u

/* Bits [first, first + count) of a word; count 1..64, first + count <= 64. */
static inline uint64_t rj_bit_span(unsigned first, unsigned count)
{
	return (~UINT64_C(0) >> (RJ_WORD_BITS - count)) << first;
}

static inline unsigned rj_popcount(uint64_t word)
{
	return (unsigned)__builtin_popcountll(word);
}

/* Index of the lowest set bit; word must not be 0. */
static inline unsigned rj_lowest_bit(uint64_t word)
{
	return (unsigned)__builtin_ctzll(word);
}

static inline uint64_t rj_div_round_up(uint64_t value, uint64_t unit)
{
	return value / unit + (value % unit != 0);
}

static inline bool rj_is_power_of_two(uint64_t value)
{
	return value && !(value & (value - 1));
}
#endif
