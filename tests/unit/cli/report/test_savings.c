/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "cli/report/savings.h"

static void says(const struct ramjet_savings *savings, const char *wanted)
{
	char text[RJ_CLI_SAVED_BYTES];

	assert_string_equal(rj_cli_savings_text(savings, text), wanted);
}

static void nothing_saved_is_not_worth_a_line(void **state)
{
	const struct ramjet_savings all_raw = {
		.full_bytes = 1u << 30,
		.payload_bytes = 1u << 30,
		.zstd_refused_pages = 5,
	};

	(void)state;
	says(NULL, "");
	says(&all_raw, "");
}

static void each_means_is_named_with_what_it_did(void **state)
{
	static const struct ramjet_level levels[] = {
		{ .size = sizeof(levels[0]), .level = 3 },
		{ .size = sizeof(levels[0]), .level = RAMJET_LEVEL_OFF },
		{ .size = sizeof(levels[0]), .level = -5 },
	};
	struct ramjet_savings s = {
		.full_bytes = 1u << 30,
		.payload_bytes = 712u << 20,
		.zstd_in_bytes = 240,
		.zstd_out_bytes = 100,
		.zstd_cpu_us = 800000,
		.levels = levels,
		.level_count = 1,
	};

	(void)state;
	says(&s, "312 MiB of 1.0 GiB (zstd 3: 2.4x, 0.8 CPU s)");
	s.delta_pages = 1200;
	s.level_count = 3;
	says(&s, "312 MiB of 1.0 GiB (zstd -5 to 3: 2.4x, 0.8 CPU s; 1,200 "
		 "deltas)");
	s.word_pages = 1;
	s.level_count = 0;
	says(&s, "312 MiB of 1.0 GiB (zstd: 2.4x, 0.8 CPU s; 1,200 deltas; 1 "
		 "page of one word)");
	s.zstd_out_bytes = 0;
	s.delta_pages = 1;
	says(&s, "312 MiB of 1.0 GiB (1 delta; 1 page of one word)");
	s.delta_pages = 0;
	s.word_pages = 2;
	says(&s, "312 MiB of 1.0 GiB (2 pages of one word)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_saved_is_not_worth_a_line),
		cmocka_unit_test(each_means_is_named_with_what_it_did),
	};

	return cmocka_run_group_tests_name("savings", tests, NULL, NULL);
}
