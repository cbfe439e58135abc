/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control link is cut after any byte of a whole migration, in either
 * direction, and returns; or it does not. At most one side runs, ever.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/wire/resume.h"
#include "tests/unit/engine/cut_relay.h"
#include "tests/unit/engine/move.h"

/* Both sides can go on without their control link; and do without no other. */
uint32_t __wrap_rj_keeps_built(void);
uint32_t __wrap_rj_keeps_built(void)
{
	return RJ_KEEPS_CONTROL;
}

static const struct small_vm_options little = {
	.bytes = { 16 * RAMJET_PAGE_BYTES },
	.state_bytes = 50,
	.dirty = VM_DIRTY_SHARED,
};

struct world {
	struct move move;
	struct cut_relay relay;
	uint64_t returned; /* in all */
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct world));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	cut_relay_end(&w->relay);
	move_done(&w->move);
	free(w);
	return 0;
}

static void prepare(struct world *w)
{
	move_init(&w->move, &little);
	w->move.source_params.verify = false;
}

static void begin(struct world *w, enum cut_relay_way way, uint64_t after)
{
	struct ramjet_migration *handle = NULL;
	char uri[160];

	w->relay = (struct cut_relay){ .way = way,
				       .after = after,
				       .times = w->relay.times,
				       .is_the_end = w->relay.is_the_end };
	move_listen(&w->move);
	cut_relay_begin(&w->relay, w->move.folder);
	(void)snprintf(uri, sizeof(uri), "unix:%s/relay", w->move.folder);
	assert_int_equal(ramjet_migrate(w->move.source.guest, uri,
					&w->move.source_params, &handle, NULL),
			 0);
	(void)pthread_mutex_lock(&w->move.lock);
	w->move.outgoing = handle;
	(void)pthread_cond_broadcast(&w->move.changed);
	(void)pthread_mutex_unlock(&w->move.lock);
}

static void done(struct world *w)
{
	cut_relay_end(&w->relay);
	move_done(&w->move);
}

static bool was_active(struct small_vm *vm)
{
	bool was = false;

	(void)pthread_mutex_lock(&vm->lock);
	for (unsigned i = 0; i < vm->state_count; i++)
		was |= vm->states[i] == RAMJET_STATE_ACTIVE;
	(void)pthread_mutex_unlock(&vm->lock);
	return was;
}

/* Cut before all channels were there on both sides: that was no session yet. */
static void expect_no_session(struct world *w, uint64_t after)
{
	move_expect_stayed(&w->move);
	if (was_active(&w->move.source) && was_active(&w->move.target))
		fail_msg("cut after %llu: the source gave up: %s; target: %s",
			 (unsigned long long)after, w->move.source_err.message,
			 w->move.target_err.message);
}

/* True: it was cut before COMMIT was there. */
static bool cut_once(struct world *w, enum cut_relay_way way, uint64_t after)
{
	bool go_on;

	prepare(w);
	w->relay.times = 1;
	begin(w, way, after);
	move_await(&w->move);
	if (w->move.info->state == RAMJET_STATE_COMPLETED)
		move_expect_done(&w->move);
	else
		expect_no_session(w, after);
	w->returned += w->move.info->control_reconnects;
	go_on = atomic_load(&w->relay.cuts) &&
		(way == CUT_TO_SOURCE || !atomic_load(&w->relay.commit_at) ||
		 after < atomic_load(&w->relay.commit_at));
	done(w);
	return go_on;
}

/* Suite `long` looks closer. */
static unsigned stride(unsigned closer, unsigned usual)
{
	return getenv("RAMJET_TEST_EVERY_BYTE") ? closer : usual;
}

static void cut_after_any_byte_to_the_target_it_goes_on(void **state)
{
	struct world *w = *state;
	uint64_t after = 73;

	while (cut_once(w, CUT_TO_TARGET, after))
		after += stride(1, 7);
	assert_true(after > 300);
	assert_true(w->returned > 5);
}

static void cut_after_any_byte_to_the_source_it_goes_on(void **state)
{
	struct world *w = *state;
	uint64_t after = 1;

	while (cut_once(w, CUT_TO_SOURCE, after))
		after += stride(1, 7);
	assert_true(after > 300);
	assert_true(w->returned > 5);
}

static void cut_again_and_again_it_goes_on(void **state)
{
	struct world *w = *state;

	prepare(w);
	/* HELLO and RESUME take 120 of these: so something gets through. */
	w->relay.times = 3;
	begin(w, CUT_TO_TARGET, 260);
	move_await(&w->move);
	if (was_active(&w->move.source) && was_active(&w->move.target)) {
		move_expect_done(&w->move);
		assert_true(w->move.info->control_reconnects > 0);
		assert_true(w->move.target_info->control_reconnects > 0);
	}
}

/* Nobody listens any more after that. Whoever has the guest, one side has it; and
 * nobody knows only where COMMIT may have been read. */
static bool cut_for_good(struct world *w, enum cut_relay_way way,
			 uint64_t after)
{
	struct move *move = &w->move;
	bool go_on, before_commit;

	prepare(w);
	move->source_params.reconnect_ms = move->target_params.reconnect_ms =
		200;
	w->relay.times = 1;
	w->relay.is_the_end = true;
	begin(w, way, after);
	move_await(move);
	go_on = atomic_load(&w->relay.cuts);
	before_commit = move->info->state == RAMJET_STATE_FAILED;
	/* A source that did not see the cut may have said COMMIT into it: that
	 * binds it, whether or not it went through. If it did, it is bound. */
	assert_false(before_commit && atomic_load(&w->relay.commit_at));
	assert_false(atomic_load(&move->source.both_ran) ||
		     atomic_load(&move->target.both_ran));
	if (!go_on || move->info->state == RAMJET_STATE_COMPLETED) {
		move_expect_done(move);
		go_on = false;
	} else if (before_commit) {
		move_expect_stayed(move);
	} else {
		assert_int_equal(move->info->state, RAMJET_STATE_UNCONFIRMED);
		assert_false(atomic_load(&move->source.running));
	}
	done(w);
	return go_on;
}

static void cut_for_good_at_most_one_side_runs(void **state)
{
	struct world *w = *state;
	uint64_t after = 300;

	while (cut_for_good(w, CUT_TO_TARGET, after))
		after += stride(13, 97);
	after = 220;
	while (cut_for_good(w, CUT_TO_SOURCE, after))
		after += stride(13, 97);
}

static void begin_held(struct world *w, uint32_t reconnect_ms)
{
	prepare(w);
	w->move.source_params.hold = true;
	w->move.source_params.reconnect_ms = reconnect_ms;
	begin(w, CUT_TO_TARGET, UINT64_MAX);
	small_vm_await_state(&w->move.source, RAMJET_STATE_HELD);
	small_vm_await_state(&w->move.target, RAMJET_STATE_ACTIVE);
}

/* The guest is not stopped meanwhile, whatever is asked for. */
static void while_it_is_lost_a_cancel_works_at_once(void **state)
{
	struct world *w = *state;

	w->relay.is_the_end = false;
	begin_held(w, 1000000);
	w->move.target_params.reconnect_ms = 1000000;
	/* It may connect, and nobody answers. */
	(void)snprintf(w->relay.target, sizeof(w->relay.target), "/nowhere");
	cut_relay_cut(&w->relay);
	assert_int_equal(ramjet_switchover(w->move.outgoing), 0);
	assert_int_equal(ramjet_cancel(w->move.outgoing), 0);
	assert_int_equal(ramjet_cancel(w->move.incoming), 0);
	move_await(&w->move);
	assert_int_equal(w->move.info->state, RAMJET_STATE_CANCELLED);
	assert_int_equal(w->move.target_info->state, RAMJET_STATE_CANCELLED);
	assert_true(atomic_load(&w->move.source.running));
	assert_int_equal(small_vm_calls(&w->move.source, VM_STOP), 0);
}

static void off_a_lost_link_ends_it(void **state)
{
	struct world *w = *state;

	begin_held(w, 0);
	cut_relay_cut(&w->relay);
	move_await(&w->move);
	move_expect_stayed(&w->move);
	assert_int_equal(atomic_load(&w->relay.control_links), 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(cut_after_any_byte_to_the_target_it_goes_on),
		CASE(cut_after_any_byte_to_the_source_it_goes_on),
		CASE(cut_again_and_again_it_goes_on),
		CASE(cut_for_good_at_most_one_side_runs),
		CASE(while_it_is_lost_a_cancel_works_at_once),
		CASE(off_a_lost_link_ends_it),
	};

	return cmocka_run_group_tests_name("control_returns", tests, NULL,
					   NULL);
}
