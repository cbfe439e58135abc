/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory whose file is cut short, or whose file system is full, while it is
 * moved: a named failure, with block and offset, and the source runs on. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/unit/engine/move.h"

#define BYTES (UINT64_C(4) << 20)
#define CUT   (UINT64_C(1) << 20)
#define FULL  "size=2m"

static struct disk {
	int fd;
	uint8_t *host;
} disks[2]; /* the source's and the target's */

/* A block in a file besides the machine's own. */
static void add_disk(struct disk *disk, struct small_vm *vm, int fd)
{
	struct ramjet_block block = {
		RAMJET_BLOCK_INIT,
		.name = "disk",
		.bytes = BYTES,
	};

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)BYTES), 0);
	disk->fd = block.fd = fd;
	disk->host = block.host =
		mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(block.host != MAP_FAILED);
	assert_true(ramjet_guest_add_block(vm->guest, &block, NULL) >= 0);
}

/* Written in place: by the file, it would just grow again. */
static int memfd_to_append(void)
{
	char path[64];
	const int fd = memfd_create("disk", MFD_CLOEXEC);
	int again;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	(void)close(fd);
	return again;
}

static void begin(struct move *move, int target_fd)
{
	struct small_vm_options is = move_machine;

	is.dirty = VM_DIRTY_NONE;
	move_init(move, &is);
	add_disk(&disks[0], &move->source, memfd_create("disk", MFD_CLOEXEC));
	add_disk(&disks[1], &move->target, target_fd);
	memset(disks[0].host, 0x33, BYTES);
}

static void end(struct move *move)
{
	move_done(move);
	for (unsigned i = 0; i < 2; i++) {
		(void)munmap(disks[i].host, BYTES);
		(void)close(disks[i].fd);
	}
}

static void cut(const struct disk *disk)
{
	assert_int_equal(ftruncate(disk->fd, (off_t)CUT), 0);
}

/* The last page of the block is to be sent once more. */
static void mark_last(struct move *move)
{
	assert_int_equal(ramjet_guest_mark(move->source.guest, "disk",
					   BYTES - 1, 1, NULL),
			 0);
}

static void a_source_cut_short_while_it_moves(void **state)
{
	struct move *move = *state;

	begin(move, memfd_to_append());
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	small_vm_await_state(&move->source, RAMJET_STATE_HELD);
	cut(&disks[0]);
	mark_last(move);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -EIO,
			  "block disk, offset 1048576: nothing is there");
	move_expect_error(&move->target_err, -EIO, "its file ends at 1048576");
	end(move);
}

static void cut_in_save(struct small_vm *vm, enum vm_call call)
{
	(void)vm;
	if (call == VM_SAVE)
		cut(&disks[0]);
}

static void a_source_cut_short_before_its_digests(void **state)
{
	struct move *move = *state;

	begin(move, memfd_to_append());
	move->source.on_call = cut_in_save;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -EIO,
			  "block disk, offset 1048576: nothing is there");
	end(move);
}

static void a_target_cut_short_while_it_receives(void **state)
{
	struct move *move = *state;

	begin(move, memfd_to_append());
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	small_vm_await_state(&move->source, RAMJET_STATE_HELD);
	cut(&disks[1]);
	mark_last(move);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->target_err, -EIO,
			  "block disk, offset 1048576: nothing is there");
	move_expect_error(&move->source_err, -EIO, "its file ends at 1048576");
	end(move);
}

static void files_too_short_from_the_start(void **state)
{
	for (unsigned side = 0; side < 2; side++) {
		struct move *move = *state;

		begin(move, memfd_to_append());
		cut(&disks[side]);
		move_begin(move, MOVE_UNIX);
		move_await(move);
		move_expect_stayed(move);
		move_expect_error(&move->source_err, -EIO,
				  "block disk, offset 1048576: nothing is "
				  "there");
		end(move);
	}
}

/* A tmpfs of 2 MiB that this process alone sees; -1: not here. */
static int file_on_tmpfs(int flags)
{
	static bool mounted;
	char path[] = "/tmp/ramjet-full-XXXXXX/disk";
	char *slash = strrchr(path, '/');
	int fd;

	*slash = '\0';
	assert_non_null(mkdtemp(path));
	if (!mounted && (unshare(CLONE_NEWNS) ||
			 mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))) {
		printf("# skipped: no mount namespace of one's own: %s\n",
		       strerror(errno));
		(void)rmdir(path);
		return -1;
	}
	mounted = true;
	assert_int_equal(mount("none", path, "tmpfs", 0, FULL), 0);
	*slash = '/';
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
	assert_true(fd >= 0);
	(void)unlink(path);
	*slash = '\0';
	/* It stays for as long as the file is open. */
	(void)umount2(path, MNT_DETACH);
	(void)rmdir(path);
	return fd;
}

static void expect_full(struct move *move, int flags, const char *words)
{
	const int fd = file_on_tmpfs(flags);

	if (fd < 0)
		skip();
	begin(move, fd);
	move->source_params.verify = false;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->target_err, -ENOSPC, words);
	move_expect_error(&move->source_err, -ENOSPC, "block disk");
	end(move);
}

static void a_full_file_system_is_named(void **state)
{
	expect_full(*state, O_APPEND, "is on is full, 2 MiB");
}

static void a_full_file_system_is_named_by_the_file(void **state)
{
	expect_full(*state, 0, "block disk, offset");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(a_source_cut_short_while_it_moves),
		MOVE_TEST(a_source_cut_short_before_its_digests),
		MOVE_TEST(a_target_cut_short_while_it_receives),
		MOVE_TEST(files_too_short_from_the_start),
		MOVE_TEST(a_full_file_system_is_named),
		MOVE_TEST(a_full_file_system_is_named_by_the_file),
	};

	return cmocka_run_group_tests_name("backing", tests, NULL, NULL);
}
