/* SPDX-License-Identifier: BSD-3-Clause */
/* While the target hashes, the source gives up: it need not hash on to hear of
 * that. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <sched.h>

#include "dirty/populated.h"
#include "tests/unit/engine/move.h"

int __real_rj_populated_scan_as(enum rj_populated_method method,
				const struct ramjet_dirty_region *region,
				struct rj_bitmap *bm, const char **ret_reason,
				struct ramjet_error *err);
int __wrap_rj_populated_scan_as(enum rj_populated_method method,
				const struct ramjet_dirty_region *region,
				struct rj_bitmap *bm, const char **ret_reason,
				struct ramjet_error *err);

static struct move *moving;
static const uint8_t *watched; /* a block; NULL: none */
static void (*_Atomic meanwhile)(void);

int __wrap_rj_populated_scan_as(enum rj_populated_method method,
				const struct ramjet_dirty_region *region,
				struct rj_bitmap *bm, const char **ret_reason,
				struct ramjet_error *err)
{
	void (*call)(void) = NULL;

	if (region->host == watched)
		call = atomic_exchange(&meanwhile, NULL);
	if (call)
		call();
	return __real_rj_populated_scan_as(method, region, bm, ret_reason, err);
}

static bool has_failed(struct ramjet_migration *migration)
{
	struct ramjet_info *info;
	bool failed;

	assert_int_equal(ramjet_info(migration, &info), 0);
	failed = info->error != NULL;
	ramjet_info_free(info);
	return failed;
}

/* Hashing goes on when the other side has heard of it. */
static void source_gives_up(void)
{
	assert_int_equal(ramjet_cancel(move_handle(moving, &moving->source)),
			 0);
	while (!has_failed(move_handle(moving, &moving->target)))
		(void)sched_yield();
}

static void target_gives_up(void)
{
	assert_int_equal(ramjet_cancel(move_handle(moving, &moving->target)),
			 0);
	while (!has_failed(move_handle(moving, &moving->source)))
		(void)sched_yield();
}

static void begin(struct move *move)
{
	struct small_vm_options is = move_machine;

	is.dirty = VM_DIRTY_NONE;
	is.fresh = true; /* nothing is cleared: only digests ask */
	move_init(move, &is);
	moving = move;
}

static void the_target_hears_the_source_while_it_hashes(void **state)
{
	struct move *move = *state;

	begin(move);
	watched = move->target.ram[0].host;
	atomic_store(&meanwhile, source_gives_up);
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	assert_int_equal(move->source_rc, -ECANCELED);
	move_expect_error(&move->target_err, -ECONNABORTED,
			  "the source cancelled");
	assert_int_equal(small_vm_calls(&move->target, VM_LOAD), 0);
}

static void the_source_hears_the_target_while_it_hashes(void **state)
{
	struct move *move = *state;

	begin(move);
	watched = move->source.ram[0].host;
	atomic_store(&meanwhile, target_gives_up);
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	assert_int_equal(move->target_rc, -ECANCELED);
	move_expect_error(&move->source_err, -ECONNABORTED,
			  "the target cancelled");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(the_target_hears_the_source_while_it_hashes),
		MOVE_TEST(the_source_hears_the_target_while_it_hashes),
	};

	return cmocka_run_group_tests_name("verify_ended", tests, NULL, NULL);
}
