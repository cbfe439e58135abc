/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "engine/send/claim_log.h"

#define SMALL_CHUNKS 3u
#define LARGE_CHUNKS 200u

struct seen {
	unsigned small[SMALL_CHUNKS], large[LARGE_CHUNKS], total, exact;
};

static struct rj_claim_log log_of_two(void)
{
	const struct rj_block blocks[] = {
		/* the last chunk is no whole one */
		{ .page_count = 2 * 512 + 1 },
		{ .page_count = LARGE_CHUNKS * 512 },
	};
	struct rj_claim_log log;

	assert_int_equal(rj_claim_log_init(&log, blocks, 2, NULL), 0);
	return log;
}

static void see(void *user, unsigned block, uint64_t chunk,
		const uint64_t *words)
{
	struct seen *seen = user;

	assert_true(chunk < (block ? LARGE_CHUNKS : SMALL_CHUNKS));
	(block ? seen->large : seen->small)[chunk]++;
	seen->total++;
	if (words)
		seen->exact++;
	if (words)
		assert_int_equal(words[1], 1000 + chunk);
}

static struct seen look(const struct rj_claim_log *log, uint64_t taken)
{
	struct seen seen = { 0 };

	rj_claim_log_visit(log, taken, see, &seen);
	return seen;
}

/* A claim that is in `frame` alone. */
static void claim(struct rj_claim_log *log, unsigned block, uint64_t chunk,
		  uint32_t round, uint32_t applied, uint64_t frame)
{
	const uint64_t words[RJ_CHUNK_WORDS] = { 0, 1000 + chunk };

	rj_claim_log_add(log, block, chunk, words, round, 0, applied);
	rj_claim_log_end(log, frame);
}

static void claims_are_remembered_until_their_frame_is_taken(void **state)
{
	struct rj_claim_log log = log_of_two();
	const uint64_t words[RJ_CHUNK_WORDS] = { 0, 1064 };
	struct seen seen;

	(void)state;
	assert_int_equal(look(&log, 0).total, 0);
	rj_claim_log_enter(&log, 0, 0);
	claim(&log, 0, 2, 0, 0, 1);
	claim(&log, 1, 199, 0, 0, 3);
	/* Not yet at its end: nobody knows its frames. */
	rj_claim_log_add(&log, 1, 64, words, 0, 0, 0);
	seen = look(&log, 0);
	assert_int_equal(seen.total, 3);
	assert_int_equal(seen.exact, 3);
	assert_int_equal(seen.small[2], 1);
	assert_int_equal(seen.large[64], 1);
	assert_int_equal(seen.large[199], 1);
	assert_int_equal(look(&log, 1).total, 2);
	assert_int_equal(look(&log, 2).total, 2);
	assert_int_equal(look(&log, 3).total, 1);
	assert_int_equal(look(&log, 1000).total, 1);
	rj_claim_log_end(&log, 4);
	assert_int_equal(look(&log, 4).total, 0);
	rj_claim_log_done(&log);
}

/* More than there is room for: as whole chunks then, but for what is taken. */
static void what_overflows_goes_to_the_maps(void **state)
{
	struct rj_claim_log log = log_of_two();
	struct seen seen;

	(void)state;
	rj_claim_log_enter(&log, 0, 0);
	for (unsigned i = 0; i < RJ_CLAIMS_KEPT + 100; i++)
		claim(&log, 1, i < 100 ? i : 150, 0, 0, i + 1);
	seen = look(&log, RJ_CLAIMS_KEPT);
	assert_int_equal(seen.total, 100 + 100);
	assert_int_equal(seen.exact, 100);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(seen.large[i], 1);
	rj_claim_log_done(&log);
}

static void what_is_taken_does_not_overflow(void **state)
{
	struct rj_claim_log log = log_of_two();
	const uint64_t words[RJ_CHUNK_WORDS] = { 0, 1007 };

	(void)state;
	rj_claim_log_enter(&log, 0, 0);
	for (uint64_t i = 0; i < UINT64_C(3) * RJ_CLAIMS_KEPT; i++) {
		rj_claim_log_add(&log, 1, 7, words, 0, i > 50 ? i - 50 : 0, 0);
		rj_claim_log_end(&log, i + 1);
	}
	assert_int_equal(look(&log, UINT64_C(3) * RJ_CLAIMS_KEPT).total, 0);
	rj_claim_log_done(&log);
}

/* Rounds are applied `behind` later than they are sent: nothing that is not
 * applied may be forgotten, and what is applied not be kept for ever. No frame
 * is acknowledged, and each round has more claims than there is room for. */
static void lag(unsigned behind, unsigned claims)
{
	struct rj_claim_log log = log_of_two();

	for (uint32_t round = 0; round < 300; round++) {
		const uint32_t applied = round > behind ? round - behind : 0;
		struct seen seen;

		rj_claim_log_enter(&log, round, applied);
		for (unsigned i = 0; i < claims; i++)
			claim(&log, 1, round % LARGE_CHUNKS, round, applied, 1);
		seen = look(&log, 0);
		for (uint32_t r = applied; r <= round; r++)
			assert_true(seen.large[r % LARGE_CHUNKS]);
		assert_true(seen.total - seen.exact <= 2 * behind + 4);
		assert_true(seen.exact <= claims * (behind + 2));
	}
	rj_claim_log_done(&log);
}

static void what_is_not_applied_is_never_forgotten(void **state)
{
	(void)state;
	lag(0, 1);
	lag(1, 1);
	lag(7, 700);
	lag(90, 100);
	lag(1, RJ_CLAIMS_KEPT + 1);
}

static void a_log_that_was_not_made_is_freed(void **state)
{
	struct rj_claim_log log = { 0 };

	(void)state;
	rj_claim_log_done(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			claims_are_remembered_until_their_frame_is_taken),
		cmocka_unit_test(what_overflows_goes_to_the_maps),
		cmocka_unit_test(what_is_taken_does_not_overflow),
		cmocka_unit_test(what_is_not_applied_is_never_forgotten),
		cmocka_unit_test(a_log_that_was_not_made_is_freed),
	};

	return cmocka_run_group_tests_name("claim log", tests, NULL, NULL);
}
