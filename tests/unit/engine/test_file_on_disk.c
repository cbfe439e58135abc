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

#include "engine/wire/wire.h"
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

static void move_through_file(struct move *move, enum move_over over,
			      unsigned fails_at)
{
	memset(&disk, 0, sizeof(disk));
	disk.fails_at = fails_at;
	move_init(move, &move_machine);
	move_begin(move, over);
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

/* All of it, COMMIT too, while the guest may still go on; then its name. */
static void all_bytes_and_then_the_name_are_on_disk(void **state)
{
	struct move *move = *state;

	move_through_file(move, MOVE_FILE, 0);
	move_expect_done(move);
	assert_int_equal(disk.count, 2);
	assert_false(disk.of_folder[0]);
	assert_int_equal(disk.bytes[0], image_bytes(move));
	assert_true(disk.of_folder[1]);
}

/* All but COMMIT before there is no way back, and that before anybody hears of
 * success. */
static void in_place_the_commit_comes_last(void **state)
{
	struct move *move = *state;

	move_through_file(move, MOVE_FILE_FD, 0);
	move_expect_done(move);
	assert_int_equal(disk.count, 2);
	assert_int_equal(disk.bytes[0] + RJ_HEADER_BYTES + RJ_COMMIT_BYTES,
			 disk.bytes[1]);
	assert_int_equal(disk.bytes[1], image_bytes(move));
}

static void expect_older(const struct move *move)
{
	char path[128], found[64] = "";
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/image", move->folder);
	file = fopen(path, "r");
	assert_non_null(file);
	(void)!fread(found, 1, sizeof(found) - 1, file);
	(void)fclose(file);
	assert_string_equal(found, MOVE_OLDER);
}

static void a_disk_that_fails_before_the_commit_fails_the_move(void **state)
{
	static const enum move_over overs[] = { MOVE_FILE, MOVE_FILE_FD };
	struct move *move = *state;

	for (unsigned i = 0; i < 2; i++) {
		move_through_file(move, overs[i], 1);
		move_expect_stayed(move);
		move_expect_error(&move->source_err, -EIO, "/image");
		move_expect_error(&move->source_err, -EIO, "on disk");
		small_vm_expect_last(&move->source, RAMJET_STATE_FAILED);
		if (overs[i] == MOVE_FILE)
			expect_older(move);
		disk.fails_at = 0;
		move_done(move);
	}
}

/* It may be on the disk or not: a person must look. */
static void a_disk_that_fails_at_the_commit_leaves_it_open(void **state)
{
	static const enum move_over overs[] = { MOVE_FILE, MOVE_FILE_FD };
	struct move *move = *state;

	for (unsigned i = 0; i < 2; i++) {
		move_through_file(move, overs[i], 2);
		move_expect_error(&move->source_err, -EIO, "unconfirmed");
		move_expect_error(&move->source_err, -EIO, "/image");
		assert_int_equal(move->info->state, RAMJET_STATE_UNCONFIRMED);
		assert_false(atomic_load(&move->source.running));
		disk.fails_at = 0;
		move_done(move);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(all_bytes_and_then_the_name_are_on_disk),
		MOVE_TEST(in_place_the_commit_comes_last),
		MOVE_TEST(a_disk_that_fails_before_the_commit_fails_the_move),
		MOVE_TEST(a_disk_that_fails_at_the_commit_leaves_it_open),
	};

	return cmocka_run_group_tests_name("file on disk", tests, NULL, NULL);
}
