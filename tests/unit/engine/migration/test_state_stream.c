/* SPDX-License-Identifier: BSD-3-Clause */
/* Device state in pieces: the same bytes arrive, whichever side streams. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "engine/guest/guest.h"
#include "tests/unit/engine/move.h"

/* More than two frames, and no multiple of anything. */
#define STATE_BYTES (5u * (1u << 19) + 77)
#define PIECE_BYTES 70001u

/* As small_vm.c has it. */
static uint8_t state_byte(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 10));
}

static size_t loaded; /* asserted when all is over */
static bool is_wrong;

static int save_bytes(size_t bytes, ramjet_write_fn *write, void *context)
{
	static uint8_t piece[PIECE_BYTES];
	size_t at = 0;
	int rc = 0;

	while (!rc && at < bytes) {
		const size_t some =
			bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;

		for (size_t i = 0; i < some; i++)
			piece[i] = state_byte(at + i);
		rc = write(context, piece, some);
		at += some;
	}
	return rc;
}

static int save(void *user, ramjet_write_fn *write, void *context,
		struct ramjet_error *err)
{
	(void)err;
	return save_bytes(((struct small_vm *)user)->is.state_bytes, write,
			  context);
}

/* It is told, and does not care. */
static int save_and_ignore(void *user, ramjet_write_fn *write, void *context,
			   struct ramjet_error *err)
{
	(void)user;
	(void)err;
	(void)save_bytes(STATE_BYTES, write, context);
	return 0;
}

static int save_half(void *user, ramjet_write_fn *write, void *context,
		     struct ramjet_error *err)
{
	(void)user;
	(void)save_bytes(STATE_BYTES / 2, write, context);
	err->code = -ENODEV;
	memcpy(err->message, "disk 3 hangs", 13);
	return -ENODEV;
}

static int save_nothing(void *user, ramjet_write_fn *write, void *context,
			struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return write(context, NULL, 0);
}

static int load(void *user, ramjet_read_fn *read, void *context,
		struct ramjet_error *err)
{
	static uint8_t piece[PIECE_BYTES + 5];
	size_t some;

	(void)user;
	(void)err;
	loaded = 0;
	while ((some = read(context, piece, sizeof(piece)))) {
		for (size_t i = 0; i < some; i++)
			is_wrong |= piece[i] != state_byte(loaded + i);
		loaded += some;
	}
	return 0;
}

static void begin(struct move *move)
{
	struct small_vm_options is = move_machine;

	is.state_bytes = STATE_BYTES;
	is.dirty = VM_DIRTY_NONE;
	move_init(move, &is);
	loaded = 0;
	is_wrong = false;
}

static void either_side_may_stream(void **state)
{
	struct move *move = *state;

	for (unsigned over = 0; over < MOVE_OVER_COUNT_; over++)
		for (unsigned who = 1; who < 4; who++) {
			begin(move);
			if (who & 1)
				move->source.guest->ops.save_state_stream =
					save;
			if (who & 2)
				move->target.guest->ops.load_state_stream =
					load;
			move_begin(move, over);
			move_await(move);
			move_expect_done(move);
			/* Where both are given, the stream is used. */
			assert_int_equal(loaded, who & 2 ? STATE_BYTES : 0);
			assert_false(is_wrong);
			assert_int_equal(small_vm_calls(&move->source, VM_SAVE),
					 !(who & 1));
			assert_int_equal(small_vm_calls(&move->target, VM_LOAD),
					 !(who & 2));
			move_done(move);
		}
}

static void an_empty_stream_is_loaded_as_well(void **state)
{
	struct move *move = *state;

	begin(move);
	move->source.guest->ops.save_state_stream = save_nothing;
	move->target.guest->ops.load_state_stream = load;
	loaded = 1;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_int_equal(loaded, 0);
}

static void the_limit_holds_whatever_the_vmm_makes_of_it(void **state)
{
	struct move *move = *state;

	begin(move);
	move->source.guest->ops.save_state_stream = save_and_ignore;
	move->source_params.state_bytes_max = STATE_BYTES - 1;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -EMSGSIZE,
			  "device state: 2621517 bytes, at most 2621516");
	move->source.guest->ops.save_state_stream = NULL;
	move->source_params.state_bytes_max = STATE_BYTES;
	move_expect_movable(move);
}

static void a_stream_that_breaks_lets_the_guest_run_on(void **state)
{
	struct move *move = *state;

	begin(move);
	move->source.guest->ops.save_state_stream = save_half;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -ENODEV, "disk 3 hangs");
	move->source.guest->ops.save_state_stream = NULL;
	move_expect_movable(move);
}

static struct move *of_waiter;

/* It would never return, were the target told only when all is saved. */
static int save_once_it_is_expected(void *user, ramjet_write_fn *write,
				    void *context, struct ramjet_error *err)
{
	struct ramjet_migration *target =
		move_handle(of_waiter, &of_waiter->target);

	while (ramjet_migration_state(target) == RAMJET_STATE_ACTIVE)
		(void)sched_yield();
	return save(user, write, context, err);
}

static void the_target_gets_ready_while_the_source_saves(void **state)
{
	struct move *move = *state;

	for (unsigned over = 0; over <= MOVE_SOCKETPAIR; over++) {
		begin(move);
		of_waiter = move;
		move->source.guest->ops.save_state_stream =
			save_once_it_is_expected;
		move_begin(move, over);
		move_await(move);
		move_expect_done(move);
		move_done(move);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(either_side_may_stream),
		MOVE_TEST(an_empty_stream_is_loaded_as_well),
		MOVE_TEST(the_limit_holds_whatever_the_vmm_makes_of_it),
		MOVE_TEST(a_stream_that_breaks_lets_the_guest_run_on),
		MOVE_TEST(the_target_gets_ready_while_the_source_saves),
	};

	return cmocka_run_group_tests_name("state_stream", tests, NULL, NULL);
}
