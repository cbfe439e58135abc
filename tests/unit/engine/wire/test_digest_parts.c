/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/wire/digest_parts.h"

#define PAGES UINT64_C(1000) /* parts of 4 pages */

static uint64_t hash_of(uint64_t page, uint64_t content)
{
	return (page * 2654435761u + content + 1) *
	       UINT64_C(0x9e3779b97f4a7c15);
}

/* Both alike but for what `differs` says of the other. */
static void expect(const uint64_t *differs, unsigned count, const char *wanted)
{
	struct rj_digest_parts one = { 0 }, other = { 0 }, read;
	uint8_t wire[RJ_DIGEST_PARTS_BYTES];
	char text[192];

	for (uint64_t page = 0; page < PAGES; page++) {
		uint64_t content = 0;

		for (unsigned i = 0; i < count; i++)
			content += differs[i] == page;
		rj_digest_parts_add(&one, rj_digest_part_pages(PAGES), page,
				    hash_of(page, 0));
		rj_digest_parts_add(&other, rj_digest_part_pages(PAGES), page,
				    hash_of(page, content));
	}
	rj_digest_parts_encode(&other, wire);
	rj_digest_parts_decode(wire, &read);
	rj_digest_parts_compare(&read, &one, PAGES, text, sizeof(text));
	assert_string_equal(text, wanted);
}

static void single_pages_are_named(void **state)
{
	static const uint64_t pages[] = { 0, 17, 999 };

	(void)state;
	expect(NULL, 0, "");
	expect(pages, 1, "page 0");
	expect(pages + 1, 1, "page 17");
	expect(pages, 3, "page 0, page 17, page 999");
}

static void neighbours_are_named_together(void **state)
{
	static const uint64_t pages[] = { 4, 5, 996, 998, 999 };

	(void)state;
	expect(pages, 5, "some of pages 4 to 7, some of pages 996 to 999");
}

static void only_the_first_are_named(void **state)
{
	static const uint64_t pages[] = { 1, 9, 17, 25, 33, 41 };

	(void)state;
	expect(pages, 6, "page 1, page 9, page 17, page 25 and elsewhere");
}

static void parts_cover_blocks_of_any_size(void **state)
{
	(void)state;
	assert_int_equal(rj_digest_part_pages(1), 1);
	assert_int_equal(rj_digest_part_pages(256), 1);
	assert_int_equal(rj_digest_part_pages(257), 2);
	assert_int_equal(rj_digest_part_pages(UINT64_C(1) << 40),
			 UINT64_C(1) << 32);
}

/* A peer may say anything of them. */
static void parts_beyond_the_block_are_not_looked_at(void **state)
{
	static const struct rj_digest_parts ours;
	static struct rj_digest_parts theirs;
	char text[192];

	(void)state;
	theirs.sum[2] = theirs.sum[200] = 5;
	theirs.weighed[2] = 10;
	rj_digest_parts_compare(&theirs, &ours, 3, text, sizeof(text));
	assert_string_equal(text, "page 2");
	theirs.sum[2] = theirs.weighed[2] = 0;
	rj_digest_parts_compare(&theirs, &ours, 3, text, sizeof(text));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_pages_are_named),
		cmocka_unit_test(neighbours_are_named_together),
		cmocka_unit_test(only_the_first_are_named),
		cmocka_unit_test(parts_cover_blocks_of_any_size),
		cmocka_unit_test(parts_beyond_the_block_are_not_looked_at),
	};

	return cmocka_run_group_tests_name("digest_parts", tests, NULL, NULL);
}
