/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "engine/page/repeats.h"
#include "engine/page/zero.h"
#include "ramjet.h"
#include "util/compiler.h"

#define WORDS (RAMJET_PAGE_BYTES / sizeof(uint64_t))

/* A page between others, as guest memory is. */
static _Alignas(RAMJET_PAGE_BYTES) uint8_t pages[3 * RAMJET_PAGE_BYTES];
static uint8_t *const page = pages + RAMJET_PAGE_BYTES;

/* Bytes that are all the same, that are not, that are most of them 0, and as
 * instructions may mistake: signs, lowest and highest bits. */
static const uint64_t words[] = { 0,
				  1,
				  UINT64_C(1) << 63,
				  UINT64_MAX,
				  0x0123456789abcdef,
				  0x5a5a5a5a5a5a5a5a,
				  0xff00000000000000,
				  0x00000000ffffffff,
				  0xffffffff00000000,
				  0x8000000080000000 };

static void fill(uint64_t word)
{
	for (unsigned i = 0; i < RAMJET_PAGE_BYTES; i += sizeof(word))
		memcpy(page + i, &word, sizeof(word));
}

static enum rj_page_content content(void)
{
	uint64_t ignored;

	return rj_page_content(page, &ignored);
}

/* ---- the way that was chosen --------------------------------------------- */

static void a_page_of_one_word_is_seen(void **state)
{
	uint64_t word;

	(void)state;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(words); i++) {
		/* What lies around the page does not count. */
		memset(pages, 0xa5, sizeof(pages));
		fill(words[i]);
		word = ~words[i];
		assert_int_equal(rj_page_content(page, &word),
				 words[i] ? RJ_PAGE_WORD : RJ_PAGE_ZERO);
		assert_true(word == words[i]);
		assert_int_equal(rj_page_is_zero(page), !words[i]);
	}
}

static void one_bit_anywhere_is_seen(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fill(i ? 0x0123456789abcdef : 0);
		for (unsigned byte = 0; byte < RAMJET_PAGE_BYTES; byte++)
			for (unsigned bit = 0; bit < 8; bit++) {
				page[byte] ^= (uint8_t)(1u << bit);
				if (content() != RJ_PAGE_OTHER ||
				    rj_page_is_zero(page))
					fail_msg("byte %u bit %u", byte, bit);
				page[byte] ^= (uint8_t)(1u << bit);
			}
		assert_int_equal(content(), i ? RJ_PAGE_WORD : RJ_PAGE_ZERO);
	}
}

/* Longer than a word, or out of step with it. */
static void other_patterns_are_not_one_word(void **state)
{
	(void)state;
	for (unsigned period = 2; period <= WORDS / 2; period++) {
		for (unsigned i = 0; i < RAMJET_PAGE_BYTES; i++)
			page[i] = (uint8_t)(i % period == 0);
		/* 2, 4 and 8 bytes are one word. */
		assert_int_equal(content(), 8 % period == 0 ? RJ_PAGE_WORD
							    : RJ_PAGE_OTHER);
	}
	/* The first half is another one than the second. */
	fill(7);
	memset(page + RAMJET_PAGE_BYTES / 2, 0, RAMJET_PAGE_BYTES / 2);
	assert_int_equal(content(), RJ_PAGE_OTHER);
	/* Words alternate, but all that are looked at first are the same. */
	for (unsigned i = 2; i < WORDS - 1; i += 2)
		if (i != WORDS / 2 - 1)
			memset(page + i * sizeof(uint64_t), 1, 1);
	assert_int_equal(content(), RJ_PAGE_OTHER);
}

/* ---- all ways there are -------------------------------------------------- */

typedef void (*level_test)(const struct rj_repeats_level *level);

static void on_each_level(level_test test)
{
	for (unsigned i = 0; i < rj_repeats_level_count; i++) {
		const struct rj_repeats_level *level = &rj_repeats_levels[i];

		if (level->is_there())
			test(level);
		else
			print_message("# %s: not on this CPU\n", level->name);
	}
}

static void see_words(const struct rj_repeats_level *level)
{
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(words); i++) {
		memset(pages, 0xa5, sizeof(pages));
		fill(words[i]);
		for (unsigned k = 0; k < RJ_ARRAY_SIZE(words); k++)
			if (level->repeats(page, words[k]) != (i == k))
				fail_msg("%s: %#llx, asked for %#llx",
					 level->name,
					 (unsigned long long)words[i],
					 (unsigned long long)words[k]);
	}
}

static void see_each_byte(const struct rj_repeats_level *level)
{
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(words); i++) {
		fill(words[i]);
		for (unsigned byte = 0; byte < RAMJET_PAGE_BYTES; byte++)
			for (unsigned bit = 0; bit < 8; bit += 7) {
				page[byte] ^= (uint8_t)(1u << bit);
				if (level->repeats(page, words[i]))
					fail_msg("%s: byte %u bit %u",
						 level->name, byte, bit);
				page[byte] ^= (uint8_t)(1u << bit);
			}
		assert_true(level->repeats(page, words[i]));
	}
}

/* Two words that differ from the rest, which might undo one another. */
static void see_two(const struct rj_repeats_level *level)
{
	fill(0x0123456789abcdef);
	for (unsigned i = 0; i < WORDS; i++)
		for (unsigned k = i + 1; k < WORDS; k++) {
			page[i * sizeof(uint64_t)] ^= 0x10;
			page[k * sizeof(uint64_t)] ^= 0x10;
			if (level->repeats(page, 0x0123456789abcdef))
				fail_msg("%s: words %u and %u", level->name, i,
					 k);
			page[i * sizeof(uint64_t)] ^= 0x10;
			page[k * sizeof(uint64_t)] ^= 0x10;
		}
}

/* Where the same instructions would fault if they had to be aligned. */
static void see_unaligned(const struct rj_repeats_level *level)
{
	for (unsigned at = 8; at < 64; at += 8) {
		memset(pages, 0xa5, sizeof(pages));
		memset(page + at, 7, RAMJET_PAGE_BYTES);
		assert_true(level->repeats(page + at, 0x0707070707070707));
		page[at + RAMJET_PAGE_BYTES - 1] = 8;
		assert_false(level->repeats(page + at, 0x0707070707070707));
	}
}

static void every_level_sees_the_same(void **state)
{
	(void)state;
	on_each_level(see_words);
	on_each_level(see_each_byte);
	on_each_level(see_two);
	on_each_level(see_unaligned);
}

/* The last goes everywhere, whatever is found before. */
static void there_is_always_a_level(void **state)
{
	(void)state;
	assert_true(rj_repeats_levels[rj_repeats_level_count - 1].is_there());
	fill(9);
	assert_true(rj_page_repeats(page, 9));
	assert_false(rj_page_repeats(page, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_of_one_word_is_seen),
		cmocka_unit_test(one_bit_anywhere_is_seen),
		cmocka_unit_test(other_patterns_are_not_one_word),
		cmocka_unit_test(every_level_sees_the_same),
		cmocka_unit_test(there_is_always_a_level),
	};

	return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}
