/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/outside/match.h"

#define MIB (UINT64_C(1) << 20)

/* A block whose place is known. */
static struct rj_qemu_part known(const char *name, uint64_t bytes)
{
	struct rj_qemu_part part = { .bytes = bytes,
				     .bytes_max = bytes,
				     .known = true };

	(void)snprintf(part.name, sizeof(part.name), "%s", name);
	(void)snprintf(part.wire, sizeof(part.wire), "%s", name);
	return part;
}

static struct rj_qemu_part with_digest(struct rj_qemu_part part, uint64_t low)
{
	part.digests[part.digest_count++].low = low;
	return part;
}

/* One that may lie in two places. */
static struct rj_qemu_part guessed(const char *name, uint64_t bytes,
				   uint64_t one, uint64_t other)
{
	struct rj_qemu_part part = known(name, bytes);

	part.known = false;
	return with_digest(with_digest(part, one), other);
}

#define PARTS(...)                                               \
	((struct rj_qemu_parts){                                 \
		(struct rj_qemu_part[]){ __VA_ARGS__ },          \
		sizeof((struct rj_qemu_part[]){ __VA_ARGS__ }) / \
			sizeof(struct rj_qemu_part) })

static void expect_refused(const struct rj_qemu_parts *source,
			   const struct rj_qemu_parts *target, const char *part)
{
	struct rj_qemu_pair pairs[8];
	struct ramjet_error err = { 0 };

	assert_int_equal(rj_qemu_match(source, target, pairs, &err), -EINVAL);
	if (!strstr(err.message, part))
		fail_msg("'%s', wanted '%s'", err.message, part);
}

static void names_decide_whatever_their_order(void **state)
{
	const struct rj_qemu_parts source =
		PARTS(known("pc.ram", 256 * MIB), known("pc.bios", MIB / 4),
		      known("vga.vram", 16 * MIB));
	const struct rj_qemu_parts target =
		PARTS(known("vga.vram", 16 * MIB), known("pc.ram", 256 * MIB),
		      known("pc.bios", MIB / 4));
	struct rj_qemu_pair pairs[3];

	(void)state;
	assert_int_equal(rj_qemu_match(&source, &target, pairs, NULL), 0);
	assert_int_equal(pairs[0].target, 1);
	assert_int_equal(pairs[1].target, 2);
	assert_int_equal(pairs[2].target, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_true(pairs[i].is_moved);
}

/* Main memory is called after its back end, if it has one. */
static void a_size_decides_where_it_is_unambiguous(void **state)
{
	const struct rj_qemu_parts source =
		PARTS(known("pc.ram", 256 * MIB), known("pc.bios", MIB / 4));
	const struct rj_qemu_parts target =
		PARTS(known("pc.bios", MIB / 4), known("mem0", 256 * MIB));
	const struct rj_qemu_parts two_here =
		PARTS(known("dimm1", 64 * MIB), known("dimm2", 64 * MIB));
	const struct rj_qemu_parts two_there =
		PARTS(known("m1", 64 * MIB), known("m2", 64 * MIB));
	struct rj_qemu_pair pairs[2];

	(void)state;
	assert_int_equal(rj_qemu_match(&source, &target, pairs, NULL), 0);
	assert_int_equal(pairs[0].target, 1);
	assert_true(pairs[0].is_moved);
	expect_refused(&two_here, &two_there, "block dimm1: 67108864 bytes");
}

static void what_one_side_lacks_is_named(void **state)
{
	const struct rj_qemu_parts one = PARTS(known("pc.ram", 256 * MIB));
	const struct rj_qemu_parts two =
		PARTS(known("pc.ram", 256 * MIB), known("dimm1", 64 * MIB));

	(void)state;
	expect_refused(&two, &one, "block dimm1: 67108864 bytes on the source");
	expect_refused(&one, &two, "block dimm1: 67108864 bytes at the target");
}

static void sizes_that_differ_are_named_with_both_values(void **state)
{
	const struct rj_qemu_parts small = PARTS(known("pc.ram", 128 * MIB));
	const struct rj_qemu_parts large = PARTS(known("pc.ram", 256 * MIB));

	(void)state;
	expect_refused(&small, &large,
		       "block pc.ram: 134217728 bytes on the source, 268435456 "
		       "at the target");
}

/* Never written on a guess, but what is the same need not be. */
static void equal_content_will_do_where_a_place_is_not_known(void **state)
{
	const struct rj_qemu_parts here = PARTS(guessed("rom", 4096, 1, 2));
	const struct rj_qemu_parts there = PARTS(guessed("rom", 4096, 3, 2));
	const struct rj_qemu_parts sure =
		PARTS(with_digest(known("rom", 4096), 2));
	const struct rj_qemu_parts other = PARTS(guessed("rom", 4096, 3, 4));
	struct rj_qemu_pair pair;

	(void)state;
	assert_int_equal(rj_qemu_match(&here, &there, &pair, NULL), 0);
	assert_false(pair.is_moved);
	assert_int_equal(rj_qemu_match(&sure, &there, &pair, NULL), 0);
	assert_false(pair.is_moved);
	assert_int_equal(rj_qemu_match(&here, &sure, &pair, NULL), 0);
	assert_false(pair.is_moved);
	expect_refused(&here, &other, "nothing is written on a guess");
	expect_refused(
		&sure, &other,
		"in none of the 2 mappings that may be it at the target");
}

static void what_is_not_moved_must_not_change(void **state)
{
	const struct rj_qemu_parts before =
		PARTS(known("pc.ram", MIB), guessed("rom", 4096, 1, 2));
	const struct rj_qemu_parts same =
		PARTS(known("pc.ram", MIB), guessed("rom", 4096, 2, 1));
	const struct rj_qemu_parts after =
		PARTS(known("pc.ram", MIB), guessed("rom", 4096, 1, 5));
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(rj_qemu_parts_unchanged(&before, &same, NULL), 0);
	assert_int_equal(rj_qemu_parts_unchanged(&before, &after, &err),
			 -ESTALE);
	assert_non_null(strstr(err.message, "block rom"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_decide_whatever_their_order),
		cmocka_unit_test(a_size_decides_where_it_is_unambiguous),
		cmocka_unit_test(what_one_side_lacks_is_named),
		cmocka_unit_test(sizes_that_differ_are_named_with_both_values),
		cmocka_unit_test(
			equal_content_will_do_where_a_place_is_not_known),
		cmocka_unit_test(what_is_not_moved_must_not_change),
	};

	return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
