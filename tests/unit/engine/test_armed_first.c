/* SPDX-License-Identifier: BSD-3-Clause */
/* No collect asks for memory that is not armed yet, however little of it is
 * left: what is not armed may read as written, or as not written. */
#include "tests/unit/cmocka_all.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "dirty/source.h"
#include "engine/source/pump.h"
#include "tests/unit/engine/wide_vm.h"

/* A window, and one page in the next. */
#define PAGES (UINT64_C(16) * 256 + 1)
/* Looks of the control thread while the last page is being armed: a round is
 * over after far fewer. */
#define LOOKS 30u

static _Atomic unsigned looks;
static _Atomic uint64_t armed;
static atomic_bool is_early;

int __real_rj_source_pump(struct rj_outgoing *out, int timeout_ms,
			  struct ramjet_error *err);
int __wrap_rj_source_pump(struct rj_outgoing *out, int timeout_ms,
			  struct ramjet_error *err);

int __wrap_rj_source_pump(struct rj_outgoing *out, int timeout_ms,
			  struct ramjet_error *err)
{
	atomic_fetch_add(&looks, 1);
	return __real_rj_source_pump(out, timeout_ms, err);
}

static int start(void *user, const struct ramjet_dirty_region *regions,
		 unsigned count, struct ramjet_error *err)
{
	(void)user;
	(void)regions;
	(void)count;
	(void)err;
	return 0;
}

/* The last one takes until the control thread has looked often, or was early. */
static int arm(void *user, const struct ramjet_dirty_part *part,
	       struct ramjet_error *err)
{
	const unsigned before = atomic_load(&looks);

	(void)user;
	(void)err;
	while (part->first_page + part->page_count == PAGES &&
	       !atomic_load(&is_early) && atomic_load(&looks) - before < LOOKS)
		(void)sched_yield();
	atomic_fetch_add(&armed, part->page_count);
	return 0;
}

static int collect(void *user, struct ramjet_dirty_sink *sink,
		   struct ramjet_error *err)
{
	(void)user;
	(void)sink;
	(void)err;
	if (atomic_load(&armed) < PAGES)
		atomic_store(&is_early, true);
	return 0;
}

static int collect_part(void *user, const struct ramjet_dirty_part *part,
			struct ramjet_dirty_sink *sink,
			struct ramjet_error *err)
{
	(void)part;
	return collect(user, sink, err);
}

static void stop(void *user)
{
	(void)user;
}

static void all_is_armed_before_any_is_collected(void **state)
{
	static const struct ramjet_dirty_ops ops = {
		RAMJET_DIRTY_OPS_INIT,
		.name = "slow",
		.start = start,
		.collect = collect,
		.stop = stop,
		.collect_part = collect_part,
		.arm = arm,
	};
	const struct wide_block block = { .pages = PAGES };
	struct wide_move move = { .params = { RAMJET_PARAMS_INIT } };
	struct ramjet_dirty_source *source = NULL;

	(void)state;
	assert_null(wide_vm_init(&move.source, &block, 1, false));
	assert_null(wide_vm_init(&move.target, &block, 1, false));
	assert_int_equal(ramjet_dirty_new(&ops, NULL, &source, NULL), 0);
	assert_int_equal(
		ramjet_guest_add_dirty_source(move.source.guest, source, NULL),
		0);
	for (uint64_t page = 0; page < PAGES; page++)
		wide_vm_write(&move.source, 0, page, 1);
	move.params.channels = 1;
	wide_move(&move);
	assert_int_equal(armed, PAGES);
	assert_false(is_early);
	wide_move_expect(&move, 0, PAGES - 1);
	wide_move_done(&move);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_armed_before_any_is_collected),
	};

	return cmocka_run_group_tests_name("armed_first", tests, NULL, NULL);
}
