/* SPDX-License-Identifier: BSD-3-Clause */
/* Ends that must not read as success, and figures that must not drift. */
#include "tests/unit/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/page/digest.h"
#include "tests/unit/engine/move.h"

/* ---- what callbacks return ------------------------------------------------ */

static void fail_source(struct move *move, enum vm_call call, int code)
{
	move_init(move, &move_machine);
	move->source.fails[call] = code;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	assert_int_equal(move->info->state, RAMJET_STATE_FAILED);
	small_vm_expect_last(&move->source, RAMJET_STATE_FAILED);
	move_expect_movable(move);
	move_done(move);
}

/* ECANCELED is also what workers say when they are told to give up. */
static void a_callback_that_says_cancelled_has_failed(void **state)
{
	fail_source(*state, VM_STOP, -ECANCELED);
	fail_source(*state, VM_SAVE, -ECANCELED);
}

static void a_callback_that_returns_a_positive_number_has_failed(void **state)
{
	fail_source(*state, VM_STOP, 1);
	fail_source(*state, VM_SAVE, EIO);
}

static void a_target_whose_callback_says_cancelled_has_failed(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->target.fails[VM_LOAD] = -ECANCELED;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_movable(move);
}

static void a_guest_that_does_not_start_again_is_reported(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->source.fails[VM_SAVE] = -EIO;
	move->source.fails[VM_START] = -ENODEV;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_error(&move->source_err, -EIO, "DOES NOT START AGAIN");
	move_expect_error(&move->source_err, -EIO, "told to fail; and");
	small_vm_expect_last(&move->source, RAMJET_STATE_FAILED);
	small_vm_expect_last(&move->target, RAMJET_STATE_FAILED);
}

/* ---- throttle ------------------------------------------------------------- */

static uint64_t always(struct small_vm *vm)
{
	return vm->is.bytes[0] / RAMJET_PAGE_BYTES;
}

static void begin_throttled(struct move *move)
{
	struct small_vm_options is = move_machine;

	is.dirty = VM_DIRTY_SCRIPT;
	move_init(move, &is);
	move->source.dirt = always;
	move->source_params.throttle = true;
	/* No pause fits: throttle, then go. */
	move->source_params.downtime_limit_us = 1;
	move->source_params.on_no_convergence = RAMJET_NO_CONVERGENCE_SWITCH;
}

static void nobody_inherits_a_throttled_guest(void **state)
{
	struct move *move = *state;

	begin_throttled(move);
	move->target.fails[VM_START] = -EIO;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	small_vm_expect_last(&move->source, RAMJET_STATE_UNCONFIRMED);
	assert_true(move->source.throttle_count > 1);
	assert_int_equal(atomic_load(&move->source.throttle), 0);
	assert_int_equal(move->info->throttle_percent, 0);
}

static void a_throttle_that_failed_is_lifted_all_the_same(void **state)
{
	struct move *move = *state;

	begin_throttled(move);
	move->source.fails[VM_THROTTLE] = -EIO;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	assert_int_equal(small_vm_calls(&move->source, VM_THROTTLE), 2);
}

/* ---- digests of a guest that stands still ---------------------------------- */

static void digests_end_when_all_give_up(void **state)
{
	const int wake_fd = eventfd(0, EFD_CLOEXEC);
	struct guarded ram = { 0 };
	struct rj_block_digest digest = { .of = RJ_DIGEST_OF_POPULATED };
	struct rj_digest same = { 0 };
	struct rj_digest_ask ask = { .block_count = 1, .wake_fd = wake_fd };
	struct rj_block block;

	(void)state;
	assert_int_equal(guarded_map(&ram, 8u << 20), 0);
	block = guarded_block(&ram);
	ask.blocks = &block;
	guarded_fill(&ram, 5, 1);
	assert_int_equal(rj_digest_blocks(&ask, &digest, NULL), 0);
	assert_int_equal(rj_digest_block(&block, &same, NULL), 0);
	assert_memory_equal(&digest.whole, &same, sizeof(same));
	assert_int_equal(eventfd_write(wake_fd, 1), 0);
	assert_int_equal(rj_digest_blocks(&ask, &digest, NULL), -ECANCELED);
	(void)close(wake_fd);
	guarded_unmap(&ram);
}

/* ---- discards while tracking begins --------------------------------------- */

#define DISCARDED_BYTES (1u << 20)

static void discard(struct small_vm *vm, enum vm_call call)
{
	if (call != VM_TRACK)
		return;
	memset(vm->ram[0].host, 0, DISCARDED_BYTES);
	(void)ramjet_guest_discard(vm->guest, "ram0", 0, DISCARDED_BYTES, NULL);
}

static void early_discards_are_counted_once(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;

	is.dirty = VM_DIRTY_SCRIPT;
	move_init(move, &is);
	move->source.on_call = discard;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_int_equal(move->info->ram_remaining_bytes, 0);
}

/* ---- a disk that is full -------------------------------------------------- */

/* From the source's state `at` on, its file takes `room` bytes more. */
static struct {
	const char *folder;
	enum ramjet_state at;
	uint64_t room;
} disk;

static uint64_t largest_file(const char *folder)
{
	DIR *open_folder = opendir(folder);
	uint64_t bytes = 0;
	struct dirent *entry;
	struct stat st;

	while ((entry = readdir(open_folder)))
		if (!fstatat(dirfd(open_folder), entry->d_name, &st, 0) &&
		    S_ISREG(st.st_mode) && (uint64_t)st.st_size > bytes)
			bytes = (uint64_t)st.st_size;
	(void)closedir(open_folder);
	return bytes;
}

static void fill_disk(struct small_vm *vm, enum ramjet_state state)
{
	struct rlimit limit;

	(void)vm;
	if (state != disk.at || getrlimit(RLIMIT_FSIZE, &limit))
		return;
	limit.rlim_cur = largest_file(disk.folder) + disk.room;
	(void)setrlimit(RLIMIT_FSIZE, &limit);
}

static void move_onto_full_disk(struct move *move, enum move_over over,
				enum ramjet_state at, uint64_t room)
{
	struct small_vm_options is = move_machine;
	struct rlimit old;

	is.dirty = VM_DIRTY_NONE;
	move_init(move, &is);
	disk.folder = move->folder;
	disk.at = at;
	disk.room = room;
	move->source.on_state = fill_disk;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	move_begin(move, over);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	move_await(move);
	assert_int_equal(move->source_rc, -EFBIG);
	assert_int_equal(small_vm_calls(&move->target, VM_START), 0);
}

static void a_disk_full_before_the_commit_lets_the_guest_run_on(void **state)
{
	struct move *move = *state;

	for (unsigned i = 0; i < 6; i++) {
		move_onto_full_disk(move, i % 2 ? MOVE_FILE_FD : MOVE_FILE,
				    RAMJET_STATE_SWITCHOVER, i * 17);
		move_expect_stayed(move);
		small_vm_expect_last(&move->source, RAMJET_STATE_FAILED);
		move_done(move);
	}
}

/* By name, COMMIT is no exception: nobody sees the file before. */
static void a_disk_full_at_the_commit_leaves_it_to_a_person(void **state)
{
	struct move *move = *state;

	for (unsigned i = 0; i < 2; i++) {
		move_onto_full_disk(move, MOVE_FILE_FD, RAMJET_STATE_COMMITTED,
				    i * 31);
		small_vm_expect_last(&move->source, RAMJET_STATE_UNCONFIRMED);
		assert_false(atomic_load(&move->source.running));
		move_expect_error(&move->source_err, -EFBIG, "unconfirmed");
		move_done(move);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(a_callback_that_says_cancelled_has_failed),
		MOVE_TEST(a_callback_that_returns_a_positive_number_has_failed),
		MOVE_TEST(a_target_whose_callback_says_cancelled_has_failed),
		MOVE_TEST(a_guest_that_does_not_start_again_is_reported),
		MOVE_TEST(nobody_inherits_a_throttled_guest),
		MOVE_TEST(a_throttle_that_failed_is_lifted_all_the_same),
		cmocka_unit_test(digests_end_when_all_give_up),
		MOVE_TEST(early_discards_are_counted_once),
		MOVE_TEST(a_disk_full_before_the_commit_lets_the_guest_run_on),
		MOVE_TEST(a_disk_full_at_the_commit_leaves_it_to_a_person),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
