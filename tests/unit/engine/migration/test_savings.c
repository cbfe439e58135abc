/* SPDX-License-Identifier: BSD-3-Clause */
/* ramjet_savings(), in every state. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/engine/move.h"

#define WORD_PAGES 100u

static struct ramjet_savings *savings_of(const struct ramjet_migration *m)
{
	struct ramjet_savings *savings = NULL;

	assert_int_equal(ramjet_savings(m, &savings), 0);
	assert_int_equal(savings->size, sizeof(*savings));
	return savings;
}

/* Before the handles are freed. */
static void compare(struct move *move)
{
	struct ramjet_savings *sent = savings_of(move->outgoing);
	struct ramjet_savings *received = savings_of(move->incoming);
	struct ramjet_info *info = NULL;

	assert_int_equal(ramjet_info(move->outgoing, &info), 0);
	assert_true(sent->word_pages >= WORD_PAGES);
	assert_int_equal(sent->word_pages, received->word_pages);
	assert_int_equal(sent->full_bytes, received->full_bytes);
	assert_int_equal(sent->payload_bytes, received->payload_bytes);
	assert_int_equal(sent->payload_bytes, info->ram_transferred_bytes);
	assert_int_equal(sent->full_bytes,
			 (info->ram_normal_pages + info->ram_compressed_pages +
			  info->ram_delta_pages + sent->word_pages) *
				 RAMJET_PAGE_BYTES);
	assert_true(sent->full_bytes >=
		    sent->payload_bytes + WORD_PAGES * RAMJET_PAGE_BYTES);
	assert_int_equal(sent->compressed_pages, info->ram_compressed_pages);
	assert_int_equal(sent->delta_pages, info->ram_delta_pages);
	ramjet_info_free(info);
	ramjet_savings_free(sent);
	ramjet_savings_free(received);
}

static void both_sides_say_the_same_of_pages(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;

	is.dirty = VM_DIRTY_NONE;
	move_init(move, &is);
	small_vm_power_off(&move->source);
	memset(move->source.ram[0].host, 0x5a, WORD_PAGES * RAMJET_PAGE_BYTES);
	small_vm_power_on(&move->source);
	move_begin(move, MOVE_UNIX);
	(void)ramjet_wait(move->outgoing, -1, NULL);
	(void)ramjet_wait(move->incoming, -1, NULL);
	compare(move);
	move_await(move);
	move_expect_done(move);
}

static void what_never_began_saved_nothing(void **state)
{
	struct move *move = *state;
	struct ramjet_savings *savings;

	move_init(move, &move_machine);
	move_listen(move);
	savings = savings_of(move->incoming);
	assert_int_equal(savings->full_bytes, 0);
	assert_int_equal(savings->level_count, 0);
	assert_int_equal(savings->levels_total, 0);
	ramjet_savings_free(savings);
	assert_int_equal(ramjet_savings(NULL, &savings), -EINVAL);
	assert_int_equal(ramjet_savings(move->incoming, NULL), -EINVAL);
	ramjet_savings_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(both_sides_say_the_same_of_pages),
		MOVE_TEST(what_never_began_saved_nothing),
	};

	return cmocka_run_group_tests_name("savings", tests, NULL, NULL);
}
