/* SPDX-License-Identifier: BSD-3-Clause */
/* Device state that is spliced, and what of it is refused. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/qemu/stream.h"
#include "util/compiler.h"

#define MACHINE "pc-q35-7.2"

static const unsigned char saved[] = { 'Q', 'E', 'V', 'M', 0,   0,   0,
				       3,   4,   'd', 'e', 'v', 'i', 0 };
static const unsigned char wanted[] = { 'Q', 'E', 'V', 'M', 0,   0,   0,   3,
					7,   0,   0,   0,   10,  'p', 'c', '-',
					'q', '3', '5', '-', '7', '.', '2', 4,
					'd', 'e', 'v', 'i', 0,   6,   0,   0,
					0,   2,   '{', '}' };

static void saved_becomes_loadable(void **state RJ_UNUSED)
{
	struct rj_qemu_state spliced = { 0 };

	assert_int_equal(rj_qemu_state_splice(saved, sizeof(saved), MACHINE,
					      &spliced, NULL),
			 0);
	assert_int_equal(spliced.count, sizeof(wanted));
	assert_memory_equal(spliced.bytes, wanted, sizeof(wanted));
	assert_int_equal(rj_qemu_state_check(spliced.bytes, spliced.count,
					     MACHINE, NULL),
			 0);
	rj_qemu_state_done(&spliced);
}

/* What comes before all devices is known before they are. */
static void its_front_is_known_beforehand(void **state RJ_UNUSED)
{
	unsigned char front[sizeof(wanted)];
	const size_t bytes = rj_qemu_state_front(MACHINE, NULL);

	assert_int_equal(bytes, 8 + 5 + strlen(MACHINE));
	assert_int_equal(rj_qemu_state_front(MACHINE, front), bytes);
	assert_memory_equal(front, wanted, bytes);
}

/* Neither half a stream nor one with another byte in its frame. */
static void no_part_of_it_is_saved_state(void **state RJ_UNUSED)
{
	static const size_t frame[] = { 0, 3, 4, 7, 13 };
	struct rj_qemu_state spliced = { 0 };
	unsigned char bytes[sizeof(saved)];

	for (size_t count = 0; count < sizeof(saved) - 1; count++)
		assert_true(rj_qemu_state_splice(saved, count, MACHINE,
						 &spliced, NULL) < 0);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(frame); i++) {
		memcpy(bytes, saved, sizeof(bytes));
		bytes[frame[i]] ^= 0x20;
		assert_int_equal(rj_qemu_state_splice(bytes, sizeof(bytes),
						      MACHINE, &spliced, NULL),
				 -EPROTO);
	}
	/* What has been spliced isn't spliced again. */
	assert_int_equal(rj_qemu_state_splice(wanted, sizeof(wanted), MACHINE,
					      &spliced, NULL),
			 -EPROTO);
}

static void no_part_of_it_can_be_loaded(void **state RJ_UNUSED)
{
	/* Each count in memory of its own, so that sanitizers see the end. */
	for (size_t count = 0; count < sizeof(wanted); count++) {
		unsigned char *bytes = malloc(count ? count : 1);

		assert_non_null(bytes);
		memcpy(bytes, wanted, count);
		assert_int_equal(
			rj_qemu_state_check(bytes, count, MACHINE, NULL),
			-EPROTO);
		free(bytes);
	}
}

/* QEMU's own stream ends in one of any length. */
static void a_long_description_is_an_end(void **state RJ_UNUSED)
{
	const size_t front = sizeof(wanted) - 2, text = 300;
	unsigned char bytes[sizeof(wanted) + 300];

	memcpy(bytes, wanted, front);
	bytes[front - 2] = text >> 8;
	bytes[front - 1] = text & 0xff;
	memset(bytes + front, ' ', text);
	bytes[front] = '{';
	bytes[front + text - 1] = '}';
	assert_int_equal(
		rj_qemu_state_check(bytes, front + text, MACHINE, NULL), 0);
	for (size_t count = front; count < front + text; count++)
		assert_int_equal(
			rj_qemu_state_check(bytes, count, MACHINE, NULL),
			-EPROTO);
}

static void another_machine_is_refused(void **state RJ_UNUSED)
{
	struct ramjet_error err = { 0 };

	assert_int_equal(
		rj_qemu_state_check(wanted, sizeof(wanted), "pc-q35-7.1", &err),
		-EINVAL);
	assert_non_null(strstr(err.message, "pc-q35-7.1"));
	assert_true(rj_qemu_state_check(wanted, sizeof(wanted), "pc-q35-7.2.",
					NULL) < 0);
	assert_true(rj_qemu_state_check(wanted, sizeof(wanted),
					"pc-i440fx-7.2-and-much-longer-names",
					NULL) < 0);
}

static void too_much_is_refused(void **state RJ_UNUSED)
{
	const size_t count = (size_t)RJ_QEMU_STATE_BYTES_MAX + 1;

	/* Its size alone: none of it is read. */
	assert_int_equal(rj_qemu_state_check(wanted, count, MACHINE, NULL),
			 -EMSGSIZE);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(saved_becomes_loadable),
	cmocka_unit_test(its_front_is_known_beforehand),
	cmocka_unit_test(a_long_description_is_an_end),
	cmocka_unit_test(no_part_of_it_is_saved_state),
	cmocka_unit_test(no_part_of_it_can_be_loaded),
	cmocka_unit_test(another_machine_is_refused),
	cmocka_unit_test(too_much_is_refused),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
