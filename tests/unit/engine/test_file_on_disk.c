/* SPDX-License-Identifier: BSD-3-Clause */
/* A migration into a file has completed when the disk has it. The test plays
 * the disk: fsync() here is what the library calls. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/wire.h"
#include "tests/unit/engine/move.h"

#define SYNCS_MAX 8u

/* Written by the source's control thread, read when it is over. */
static struct {
	unsigned count;
	unsigned fails_at; /* 1: the first one; 0: none */
	bool of_folder[SYNCS_MAX];
	off_t bytes[SYNCS_MAX];
} disk;

int fsync(int fd)
{
	struct stat st = { 0 };

	if (!fstat(fd, &st) && disk.count < SYNCS_MAX) {
		disk.of_folder[disk.count] = S_ISDIR(st.st_mode);
		disk.bytes[disk.count] = st.st_size;
	}
	if (++disk.count == disk.fails_at) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

static void move_through_file(struct move *move, unsigned fails_at)
{
	memset(&disk, 0, sizeof(disk));
	disk.fails_at = fails_at;
	move_init(move, &move_machine);
	move_begin(move, MOVE_FILE);
	move_await(move);
}

static off_t image_bytes(const struct move *move)
{
	struct stat st = { 0 };
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/image", move->folder);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* The name when it is made, all but COMMIT before there is no way back, and
 * that before anybody hears of success. */
static void the_name_and_all_bytes_are_on_disk(void **state)
{
	struct move *move = *state;

	move_through_file(move, 0);
	move_expect_done(move);
	assert_int_equal(disk.count, 3);
	assert_true(disk.of_folder[0]);
	assert_false(disk.of_folder[1]);
	assert_int_equal(disk.bytes[1] + RJ_HEADER_BYTES, disk.bytes[2]);
	assert_int_equal(disk.bytes[2], image_bytes(move));
}

static void a_disk_that_fails_before_the_commit_fails_the_move(void **state)
{
	struct move *move = *state;

	for (unsigned at = 1; at <= 2; at++) {
		move_through_file(move, at);
		move_expect_stayed(move);
		move_expect_error(&move->source_err, -EIO, "/image");
		move_expect_error(&move->source_err, -EIO, "on disk");
		small_vm_expect_last(&move->source, RAMJET_STATE_FAILED);
		disk.fails_at = 0;
		move_done(move);
	}
}

/* COMMIT may be on the disk or not: a person must look. */
static void a_disk_that_fails_at_the_commit_leaves_it_open(void **state)
{
	struct move *move = *state;

	move_through_file(move, 3);
	move_expect_error(&move->source_err, -EIO, "unconfirmed");
	move_expect_error(&move->source_err, -EIO, "/image");
	assert_int_equal(move->info->state, RAMJET_STATE_UNCONFIRMED);
	assert_false(atomic_load(&move->source.running));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(the_name_and_all_bytes_are_on_disk),
		MOVE_TEST(a_disk_that_fails_before_the_commit_fails_the_move),
		MOVE_TEST(a_disk_that_fails_at_the_commit_leaves_it_open),
	};

	return cmocka_run_group_tests_name("file on disk", tests, NULL, NULL);
}
