/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "engine/send/claim_log.h"

#define SMALL_CHUNKS 3u
#define LARGE_CHUNKS 200u

struct seen {
	unsigned small[SMALL_CHUNKS], large[LARGE_CHUNKS], total;
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

static void see(void *user, unsigned block, uint64_t chunk)
{
	struct seen *seen = user;

	assert_true(chunk < (block ? LARGE_CHUNKS : SMALL_CHUNKS));
	(block ? seen->large : seen->small)[chunk]++;
	seen->total++;
}

static struct seen look(const struct rj_claim_log *log)
{
	struct seen seen = { 0 };

	rj_claim_log_visit(log, see, &seen);
	return seen;
}

static void claims_are_remembered_once_each(void **state)
{
	struct rj_claim_log log = log_of_two();
	struct seen seen;

	(void)state;
	assert_int_equal(look(&log).total, 0);
	rj_claim_log_enter(&log, 0, 0);
	rj_claim_log_add(&log, 0, 2);
	rj_claim_log_add(&log, 1, 199);
	rj_claim_log_enter(&log, 1, 0);
	rj_claim_log_add(&log, 1, 64);
	rj_claim_log_add(&log, 1, 199);
	seen = look(&log);
	assert_int_equal(seen.total, 3);
	assert_int_equal(seen.small[2], 1);
	assert_int_equal(seen.large[64], 1);
	assert_int_equal(seen.large[199], 1);
	rj_claim_log_done(&log);
}

/* Rounds are applied `behind` later than they are sent: nothing that is not
 * applied may be forgotten, and what is applied not be kept for ever. */
static void lag(unsigned behind)
{
	struct rj_claim_log log = log_of_two();

	for (uint32_t round = 0; round < 1000; round++) {
		const uint32_t applied = round > behind ? round - behind : 0;
		struct seen seen;

		rj_claim_log_enter(&log, round, applied);
		rj_claim_log_add(&log, 1, round % LARGE_CHUNKS);
		seen = look(&log);
		for (uint32_t r = applied; r <= round; r++)
			assert_int_equal(seen.large[r % LARGE_CHUNKS], 1);
		assert_true(seen.total <= 2 * behind + 4);
	}
	rj_claim_log_done(&log);
}

static void what_is_not_applied_is_never_forgotten(void **state)
{
	(void)state;
	lag(0);
	lag(1);
	lag(7);
	lag(90);
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
		cmocka_unit_test(claims_are_remembered_once_each),
		cmocka_unit_test(what_is_not_applied_is_never_forgotten),
		cmocka_unit_test(a_log_that_was_not_made_is_freed),
	};

	return cmocka_run_group_tests_name("claim log", tests, NULL, NULL);
}
