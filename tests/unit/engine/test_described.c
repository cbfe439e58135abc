/* SPDX-License-Identifier: BSD-3-Clause */
/* What the source's VMM says of its guest before memory moves, and a target's
 * that names its blocks after it. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/guest/guest.h"
#include "ramjet-remote.h"
#include "tests/unit/engine/fake_source.h"
#include "util/error.h"

#define WORDS      "two blocks, \0 and what is in them"
#define BYTES_MOST (512u << 10)

static const enum move_over ways[] = { MOVE_UNIX, MOVE_SOCKETPAIR, MOVE_PIPE,
				       MOVE_FILE };

static size_t described_bytes;
/* Noted on ramjet's threads, asserted when all is over. */
static size_t heard_bytes;
static bool heard_right, heard_nothing;
static int outside_rc, later_rc;

static int describe(void *user, void **ret_data, size_t *ret_bytes,
		    struct ramjet_error *err)
{
	char *data = calloc(1, described_bytes + 1);

	(void)user;
	(void)err;
	if (!data)
		return -ENOMEM;
	memcpy(data, WORDS,
	       described_bytes < sizeof(WORDS) ? described_bytes
					       : sizeof(WORDS));
	*ret_data = data;
	*ret_bytes = described_bytes;
	return 0;
}

static int describe_nothing(void *user, void **ret_data, size_t *ret_bytes,
			    struct ramjet_error *err)
{
	(void)user;
	(void)ret_data;
	(void)ret_bytes;
	return rj_fail(err, -EIO, "the VMM does not answer");
}

static int accept_any(void *user, const void *data, size_t bytes,
		      struct ramjet_error *err)
{
	(void)user;
	(void)err;
	heard_bytes = bytes;
	heard_nothing = !data;
	heard_right = bytes >= sizeof(WORDS) && data &&
		      !memcmp(data, WORDS, sizeof(WORDS));
	return 0;
}

static int refuse(void *user, const void *data, size_t bytes,
		  struct ramjet_error *err)
{
	(void)user;
	(void)data;
	(void)bytes;
	return rj_fail(err, -ENODEV, "disk 3 is missing here");
}

/* As the source has them, in another order. */
static int name_blocks(void *user, const void *data, size_t bytes,
		       struct ramjet_error *err)
{
	static const char *const names[] = { "ram0", "ram1" };
	struct small_vm *vm = user;
	int rc = ramjet_guest_drop_blocks(vm->guest, err);

	for (unsigned i = SMALL_VM_BLOCKS; !rc && i-- > 0;) {
		const struct ramjet_block block = {
			RAMJET_BLOCK_INIT,
			.name = names[i],
			.host = vm->ram[i].host,
			.bytes = vm->is.bytes[i],
		};

		rc = ramjet_guest_add_block(vm->guest, &block, err);
		rc = rc < 0 ? rc : 0;
	}
	return rc ? rc : accept_any(user, data, bytes, err);
}

static void init(struct move *move)
{
	move_init(move, &move_machine);
	described_bytes = sizeof(WORDS);
	heard_right = heard_nothing = false;
	heard_bytes = 0;
	move->source.guest->ops.describe = describe;
	move->target.guest->ops.accept = accept_any;
}

/* ---- both know it ------------------------------------------------------------------- */

static void it_arrives_whole(void **state)
{
	struct move *move = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(ways); i++) {
		init(move);
		described_bytes = i ? sizeof(WORDS) : BYTES_MOST;
		move_begin(move, ways[i]);
		move_await(move);
		move_expect_done(move);
		assert_true(heard_right);
		assert_int_equal(heard_bytes, described_bytes);
		move_done(move);
	}
}

static void an_empty_one_is_none(void **state)
{
	struct move *move = *state;

	init(move);
	described_bytes = 0;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_true(heard_nothing);
	move_done(move);

	init(move);
	move->source.guest->ops.describe = NULL;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_true(heard_nothing);
}

static void a_target_names_its_blocks_when_it_has_heard(void **state)
{
	struct ramjet_block_figures figures = { .size = sizeof(figures) };
	struct move *move = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(ways); i++) {
		init(move);
		assert_int_equal(
			ramjet_guest_drop_blocks(move->target.guest, NULL), 0);
		move->target.guest->ops.accept = name_blocks;
		move_begin(move, ways[i]);
		(void)ramjet_wait(move->incoming, -1, NULL);
		assert_int_equal(
			ramjet_block_figures(move->incoming, 0, &figures), 0);
		assert_string_equal(figures.name, "ram1");
		assert_true(figures.normal_pages > 0);
		assert_int_equal(
			ramjet_block_figures(move->incoming, 2, &figures),
			-ENOENT);
		move_await(move);
		move_expect_done(move);
		move_done(move);
	}
}

/* ---- one does not ------------------------------------------------------------------- */

static void a_refusal_reaches_the_source(void **state)
{
	struct move *move = *state;

	init(move);
	move->target.guest->ops.accept = refuse;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->target_err, -ENODEV, "disk 3 is missing here");
	move_expect_error(&move->source_err, -ENODEV, "disk 3 is missing here");
	/* The same machines agree the next time. */
	move->target.guest->ops.accept = accept_any;
	move_expect_movable(move);
	assert_true(heard_right);
}

static void one_that_cannot_take_it_says_so(void **state)
{
	struct move *move = *state;

	init(move);
	move->target.guest->ops.accept = NULL;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -EOPNOTSUPP,
			  "the same kind of guest on both sides");
}

static void a_source_that_cannot_say_it_disturbs_nobody(void **state)
{
	struct move *move = *state;

	init(move);
	move->source.guest->ops.describe = describe_nothing;
	move_listen(move);
	move_send(move);
	move->source_rc = ramjet_wait(move->outgoing, -1, &move->source_err);
	move_expect_error(&move->source_err, -EIO, "does not answer");
	ramjet_migration_free(move->outgoing);
	described_bytes = BYTES_MOST + 1;
	move->source.guest->ops.describe = describe;
	move_send(move);
	move->source_rc = ramjet_wait(move->outgoing, -1, &move->source_err);
	move_expect_error(&move->source_err, -EMSGSIZE, "at most 524288");
	ramjet_migration_free(move->outgoing);
	described_bytes = sizeof(WORDS);
	move_send(move);
	move_await(move);
	assert_int_equal(move->source_rc, 0);
	assert_int_equal(move->target_rc, 0);
}

/* ---- when blocks may change --------------------------------------------------------- */

static void try_when_loaded(struct small_vm *vm, enum vm_call call)
{
	struct ramjet_block block = {
		RAMJET_BLOCK_INIT,
		.name = "late",
		.host = (void *)(uintptr_t)RAMJET_PAGE_BYTES,
		.bytes = RAMJET_PAGE_BYTES,
	};

	if (call != VM_LOAD)
		return;
	outside_rc = ramjet_guest_add_block(vm->guest, &block, NULL);
	later_rc = ramjet_guest_drop_blocks(vm->guest, NULL);
}

static void not_before_and_not_after(void **state)
{
	struct move *move = *state;
	struct ramjet_migration *kept;

	init(move);
	outside_rc = later_rc = 1;
	move->target.on_call = try_when_loaded;
	move_begin(move, MOVE_UNIX);
	assert_int_equal(ramjet_wait(move->incoming, -1, NULL), 0);
	assert_int_equal(outside_rc, -EBUSY);
	assert_int_equal(later_rc, -EBUSY);
	/* Its figures go by the blocks. */
	kept = move->incoming;
	assert_int_equal(ramjet_guest_drop_blocks(move->target.guest, NULL),
			 -EBUSY);
	move_await(move);
	assert_non_null(kept);
	assert_int_equal(ramjet_guest_drop_blocks(move->target.guest, NULL), 0);
	assert_int_equal(ramjet_guest_drop_blocks(NULL, NULL), -EINVAL);
}

static void a_source_has_blocks(void **state)
{
	struct move *move = *state;
	struct ramjet_error err = { 0 };

	init(move);
	small_vm_power_off(&move->source);
	move->source.guest->ops.accept = accept_any;
	assert_int_equal(ramjet_guest_drop_blocks(move->source.guest, NULL), 0);
	assert_int_equal(ramjet_migrate(move->source.guest, "tcp:127.0.0.1:1",
					NULL, &move->outgoing, &err),
			 -EINVAL);
	assert_non_null(strstr(err.message, "has no memory block"));
	/* Discards of what is no more are refused. */
	assert_int_equal(ramjet_guest_discard_at(move->source.guest, 0, 0,
						 RAMJET_PAGE_BYTES, NULL),
			 -ENOENT);
}

/* ---- sources that misbehave --------------------------------------------------------- */

static void say_guest(struct fake_source *s, uint32_t bytes)
{
	static uint8_t body[BYTES_MOST + 1];
	const struct rj_frame frame = {
		.type = RJ_FRAME_GUEST,
		.payload_bytes = bytes,
	};

	(void)fake_source_say(s, &frame, body);
}

static void out_of_turn_it_is_refused(void **state)
{
	struct fake_source *s = *state;

	fake_source_begin(s);
	s->move.target.guest->ops.accept = accept_any;
	fake_source_connect(s, 0);
	say_guest(s, 5);
	say_guest(s, 5);
	fake_source_expect_refused(s, STEP_HELLO, -EPROTO,
				   "GUEST frame from the source comes a second "
				   "time");
	fake_source_done(s);

	fake_source_begin(s);
	s->move.target.guest->ops.accept = accept_any;
	fake_source_connect(s, 0);
	say_guest(s, BYTES_MOST + 1);
	fake_source_expect_refused(s, STEP_HELLO, -EPROTO,
				   "wanted 0 to 524288");
	fake_source_done(s);

	fake_source_begin(s);
	s->move.target.guest->ops.accept = accept_any;
	fake_source_reach(s, STEP_ACTIVE);
	say_guest(s, 5);
	fake_source_expect_refused(s, STEP_ACTIVE, -EPROTO,
				   "GUEST frame from the source has no place "
				   "while rounds are sent");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(it_arrives_whole),
		MOVE_TEST(an_empty_one_is_none),
		MOVE_TEST(a_target_names_its_blocks_when_it_has_heard),
		MOVE_TEST(a_refusal_reaches_the_source),
		MOVE_TEST(one_that_cannot_take_it_says_so),
		MOVE_TEST(a_source_that_cannot_say_it_disturbs_nobody),
		MOVE_TEST(not_before_and_not_after),
		MOVE_TEST(a_source_has_blocks),
		FAKE_SOURCE_TEST(out_of_turn_it_is_refused),
	};

	return cmocka_run_group_tests_name("described", tests, NULL, NULL);
}
