/* SPDX-License-Identifier: BSD-3-Clause */
/* A map of what was touched that misses a page: who finds out? */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/populated.h"
#include "tests/unit/engine/move.h"

#define MISSED 100u

int __real_rj_populated_scan(const struct ramjet_dirty_region *region,
			     struct rj_bitmap *bm,
			     enum rj_populated_method *ret_method,
			     const char **ret_reason, struct ramjet_error *err);
int __wrap_rj_populated_scan(const struct ramjet_dirty_region *region,
			     struct rj_bitmap *bm,
			     enum rj_populated_method *ret_method,
			     const char **ret_reason, struct ramjet_error *err);
int __real_rj_populated_look(struct rj_populated *look, uint64_t first_page,
			     uint64_t count, struct rj_bitmap *bm,
			     const char **ret_reason, struct ramjet_error *err);
int __wrap_rj_populated_look(struct rj_populated *look, uint64_t first_page,
			     uint64_t count, struct rj_bitmap *bm,
			     const char **ret_reason, struct ramjet_error *err);
int __real_rj_populated_scan_as(enum rj_populated_method method,
				const struct ramjet_dirty_region *region,
				struct rj_bitmap *bm, const char **ret_reason,
				struct ramjet_error *err);
int __wrap_rj_populated_scan_as(enum rj_populated_method method,
				const struct ramjet_dirty_region *region,
				struct rj_bitmap *bm, const char **ret_reason,
				struct ramjet_error *err);

/* Blocks here are smaller than what is asked about at a time. */
static void miss(const struct ramjet_dirty_region *region, struct rj_bitmap *bm)
{
	if (!strcmp(region->name, "ram0"))
		(void)rj_bitmap_clear_run(bm, MISSED, 1);
}

int __wrap_rj_populated_scan(const struct ramjet_dirty_region *region,
			     struct rj_bitmap *bm,
			     enum rj_populated_method *ret_method,
			     const char **ret_reason, struct ramjet_error *err)
{
	const int rc = __real_rj_populated_scan(region, bm, ret_method,
						ret_reason, err);

	miss(region, bm);
	return rc;
}

int __wrap_rj_populated_scan_as(enum rj_populated_method method,
				const struct ramjet_dirty_region *region,
				struct rj_bitmap *bm, const char **ret_reason,
				struct ramjet_error *err)
{
	const int rc = __real_rj_populated_scan_as(method, region, bm,
						   ret_reason, err);

	miss(region, bm);
	return rc;
}

int __wrap_rj_populated_look(struct rj_populated *look, uint64_t first_page,
			     uint64_t count, struct rj_bitmap *bm,
			     const char **ret_reason, struct ramjet_error *err)
{
	int rc = __real_rj_populated_look(look, first_page, count, bm,
					  ret_reason, err);

	miss(look->region, bm);
	return rc;
}

static void begin(struct move *move)
{
	struct small_vm_options is = move_machine;

	is.dirty = VM_DIRTY_NONE;
	is.fresh = true;
	move_init(move, &is);
	guarded_fill(&move->source.ram[0], MISSED, 1);
}

/* It trusts the map: this is what the other one is for. */
static void verify_takes_the_maps_word(void **state)
{
	struct move *move = *state;

	begin(move);
	move_begin(move, MOVE_UNIX);
	move_await(move);
	assert_int_equal(move->source_rc, 0);
	assert_true(move->info->verified);
	assert_int_not_equal(
		move->source.ram[0].host[MISSED * RAMJET_PAGE_BYTES],
		move->target.ram[0].host[MISSED * RAMJET_PAGE_BYTES]);
}

static void verify_all_does_not(void **state)
{
	struct move *move = *state;

	begin(move);
	move->source_params.verify = false;
	move->source_params.verify_all = true;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -EBADMSG, "block ram0 differs");
	move_expect_error(&move->target_err, -EBADMSG, "block ram0 differs");
}

static void verify_all_of_what_is_equal(void **state)
{
	struct move *move = *state;

	begin(move);
	memset(move->source.ram[0].host + MISSED * RAMJET_PAGE_BYTES, 0,
	       RAMJET_PAGE_BYTES);
	move->source_params.verify_all = true;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_true(move->info->verified);
}

/* From what round 0 has found: there is no other source of it. */
static void digests_are_predicted(void **state)
{
	struct move *move = *state;
	uint64_t predicted_us = 0;

	move_init(move, &move_machine);
	move_begin(move, MOVE_UNIX);
	move_await(move);
	assert_true(move->info->verified);
	for (size_t i = 0; i < move->info->term_count; i++) {
		const struct ramjet_term_info *term =
			RAMJET_AT(move->info->terms, i);

		if (!strcmp(term->name, "digests"))
			predicted_us = term->predicted_us;
	}
	assert_true(predicted_us > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(verify_takes_the_maps_word),
		MOVE_TEST(verify_all_does_not),
		MOVE_TEST(verify_all_of_what_is_equal),
		MOVE_TEST(digests_are_predicted),
	};

	return cmocka_run_group_tests_name("verify_all", tests, NULL, NULL);
}
