/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/guest_kinds.h"
#include "tests/unit/cli/fake_ramjet.h"

/* Target files: what becomes of what was there. */

#define OLD_BYTES 5000 /* of an image before; no multiple of a page */

static int set_up(void **state)
{
	char *path = strdup("/tmp/rj-cli-guest-XXXXXX");
	int fd = mkstemp(path);

	fake_reset();
	assert_true(fd >= 0);
	(void)close(fd);
	*state = path;
	return 0;
}

static int tear_down(void **state)
{
	(void)unlink(*state);
	free(*state);
	return 0;
}

static int make(const char *path, const char *size, struct rj_cli_guest **ret)
{
	struct rj_cli_guest_spec spec;
	char text[128];

	(void)snprintf(text, sizeof(text), "file:%s%s", path, size);
	assert_int_equal(rj_cli_guest_spec_parse(text, &spec, NULL), 0);
	return rj_cli_guest_new(&spec, RJ_CLI_TARGET, ret, NULL);
}

/* A target as large as `size` says, which gets nothing unless `arrives`. */
static void live(const char *path, const char *size, bool arrives)
{
	struct ramjet_guest *handle;
	struct rj_cli_guest *guest;

	assert_int_equal(make(path, size, &guest), 0);
	assert_int_equal(
		ramjet_guest_new(guest->kind->ops, guest, &handle, NULL), 0);
	assert_int_equal(guest->kind->attach(guest, handle, NULL), 0);
	if (arrives)
		assert_int_equal(guest->kind->ops->start(guest, NULL), 0);
	ramjet_guest_free(handle);
	rj_cli_guest_free(guest);
}

static off_t length_of(const char *path)
{
	struct stat status;

	return stat(path, &status) ? -1 : status.st_size;
}

static void write_old(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_int_equal(pwrite(fd, "old", 3, 5), 3);
	assert_int_equal(ftruncate(fd, OLD_BYTES), 0);
	(void)close(fd);
}

static void assert_old(const char *path)
{
	char text[8] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, text, 3, 5), 3);
	assert_string_equal(text, "old");
	(void)close(fd);
	assert_int_equal(length_of(path), OLD_BYTES);
}

static void an_empty_file_is_fresh_and_sparse(void **state)
{
	struct stat status;

	live(*state, ",size=16K", true);
	assert_true(fake.block.flags & RAMJET_BLOCK_FRESH);
	assert_int_equal(stat(*state, &status), 0);
	assert_int_equal(status.st_size, 16384);
	assert_int_equal(status.st_blocks, 0);
}

static void an_empty_file_that_got_nothing_is_empty(void **state)
{
	live(*state, ",size=16K", false);
	assert_int_equal(length_of(*state), 0);
}

static void an_old_file_is_replaced_by_a_fresh_one(void **state)
{
	write_old(*state);
	live(*state, ",size=16K", true);
	assert_true(fake.block.flags & RAMJET_BLOCK_FRESH);
	assert_int_equal(length_of(*state), 16384);
	live(*state, ",size=4K", true);
	assert_true(fake.block.flags & RAMJET_BLOCK_FRESH);
	assert_int_equal(length_of(*state), 4096);
}

/* What cannot be replaced: here by way of a link of /proc. */
static void what_is_written_in_place_is_not_fresh(void **state)
{
	char path[64];
	int fd;

	write_old(*state);
	fd = open(*state, O_RDWR | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	live(path, ",size=4K", false);
	assert_old(*state);
	live(path, ",size=16K", false);
	assert_old(*state);
	live(path, ",size=16K", true);
	assert_false(fake.block.flags & RAMJET_BLOCK_FRESH);
	assert_int_equal(length_of(*state), 16384);
	live(path, ",size=4K", true);
	assert_int_equal(length_of(*state), 4096);
	(void)close(fd);
}

static void an_old_file_that_got_nothing_is_as_it_was(void **state)
{
	struct rj_cli_guest *guest;

	write_old(*state);
	live(*state, ",size=4K", false);
	assert_old(*state);
	live(*state, ",size=16K,prealloc=1", false);
	assert_old(*state);
	assert_int_equal(make(*state, "", &guest), -EINVAL);
	assert_old(*state);
}

static void a_file_of_its_own_that_got_nothing_goes(void **state)
{
	struct rj_cli_guest *guest;

	(void)unlink(*state);
	live(*state, ",size=16K", false);
	assert_int_equal(length_of(*state), -1);
	assert_int_equal(make(*state, "", &guest), -EINVAL);
	assert_int_equal(length_of(*state), -1);
	live(*state, ",size=16K", true);
	assert_int_equal(length_of(*state), 16384);
}

static void until_it_starts_nobody_sees_an_image(void **state)
{
	struct rj_cli_guest *first, *second;
	struct stat status;

	(void)unlink(*state);
	assert_int_equal(make(*state, ",size=16K", &first), 0);
	assert_int_equal(length_of(*state), -1);
	/* The last whole one counts. */
	assert_int_equal(make(*state, ",size=4K", &second), 0);
	assert_int_equal(first->kind->ops->start(first, NULL), 0);
	assert_int_equal(length_of(*state), 16384);
	assert_int_equal(first->kind->settle(first, NULL), 0);
	rj_cli_guest_free(first);
	assert_int_equal(length_of(*state), 16384);
	rj_cli_guest_free(second);
	assert_int_equal(length_of(*state), 16384);
	assert_int_equal(stat(*state, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

static void two_do_not_replace_one_image(void **state)
{
	struct ramjet_error err = { 0 };
	struct rj_cli_guest_spec spec;
	struct rj_cli_guest *first, *second;
	char text[128];

	write_old(*state);
	assert_int_equal(make(*state, ",size=16K", &first), 0);
	(void)snprintf(text, sizeof(text), "file:%s,size=4K", (char *)*state);
	assert_int_equal(rj_cli_guest_spec_parse(text, &spec, NULL), 0);
	assert_int_equal(rj_cli_guest_new(&spec, RJ_CLI_TARGET, &second, &err),
			 -EWOULDBLOCK);
	assert_non_null(strstr(err.message, "in use by another ramjet"));
	assert_int_equal(make(*state, ",size=4K,lock=off", &second), 0);
	rj_cli_guest_free(second);
	rj_cli_guest_free(first);
	assert_old(*state);
}

static void the_only_copy_is_kept_when_it_gets_no_name(void **state)
{
	char folder[64] = "/tmp/rj-cli-gone-XXXXXX", path[80];
	struct ramjet_error err = { 0 };
	struct rj_cli_guest *guest;
	char *kept;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/x", folder);
	assert_int_equal(make(path, ",size=4K", &guest), 0);
	/* A folder took its name meanwhile. */
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(guest->kind->ops->start(guest, &err) < 0);
	rj_cli_guest_free(guest);
	kept = strstr(err.message, ".x.");
	assert_non_null(kept);
	*strchr(kept, ',') = '\0';
	assert_int_equal(rmdir(path), 0);
	(void)snprintf(path, sizeof(path), "%s/%s", folder, kept);
	assert_int_equal(length_of(path), 4096);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

static int open_flags(const char *path)
{
	struct rj_cli_guest_spec spec;
	struct ramjet_guest *handle;
	struct rj_cli_guest *guest;
	char text[128];
	int flags;

	(void)snprintf(text, sizeof(text), "file:%s", path);
	assert_int_equal(rj_cli_guest_spec_parse(text, &spec, NULL), 0);
	assert_int_equal(rj_cli_guest_new(&spec, RJ_CLI_SOURCE, &guest, NULL),
			 0);
	assert_int_equal(
		ramjet_guest_new(guest->kind->ops, guest, &handle, NULL), 0);
	assert_int_equal(guest->kind->attach(guest, handle, NULL), 0);
	flags = fcntl(fake.block.fd, F_GETFL) & O_ACCMODE;
	ramjet_guest_free(handle);
	rj_cli_guest_free(guest);
	return flags;
}

static void a_source_on_a_disk_is_only_read(void **state)
{
	static const char memory[] = "/dev/shm/rj-cli-guest-source";
	struct statfs filesystem;

	assert_int_equal(truncate(*state, 16384), 0);
	assert_int_equal(statfs(*state, &filesystem), 0);
	if (filesystem.f_type == TMPFS_MAGIC)
		print_message("# /tmp is a tmpfs, so nothing is on a disk\n");
	else
		assert_int_equal(open_flags(*state), O_RDONLY);
	/* In memory it may be pinned, for which it is writable. */
	assert_int_equal(mknod(memory, S_IFREG | 0600, 0), 0);
	assert_int_equal(truncate(memory, 16384), 0);
	assert_int_equal(open_flags(memory), O_RDWR);
	assert_int_equal(unlink(memory), 0);
}

/* As Lustre and NFS without lockd have it. */
static void refuse_flock(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_flock, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOLCK),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = 4, .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(77);
}

static bool unlocked_says_so(const char *path)
{
	struct ramjet_error err = { 0 };
	struct rj_cli_guest_spec spec;
	struct rj_cli_guest *guest;
	char text[128];
	int rc;

	(void)snprintf(text, sizeof(text), "file:%s,size=4K", path);
	if (rj_cli_guest_spec_parse(text, &spec, NULL))
		return false;
	rc = rj_cli_guest_new(&spec, RJ_CLI_TARGET, &guest, &err);
	return rc == -ENOLCK && strstr(err.message, "lock=off") &&
	       strstr(err.message, "No locks available");
}

static void a_file_system_without_locks(void **state)
{
	struct rj_cli_guest *guest;
	pid_t child = fork();
	int status;

	if (!child) {
		refuse_flock();
		if (!unlocked_says_so(*state) ||
		    make(*state, ",size=4K,lock=off", &guest))
			_exit(1);
		rj_cli_guest_free(guest);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WEXITSTATUS(status) == 77)
		print_message("# no seccomp here\n");
	else
		assert_int_equal(status, 0);
}

#define WITH_FILE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_FILE(an_empty_file_is_fresh_and_sparse),
		WITH_FILE(an_empty_file_that_got_nothing_is_empty),
		WITH_FILE(an_old_file_is_replaced_by_a_fresh_one),
		WITH_FILE(what_is_written_in_place_is_not_fresh),
		WITH_FILE(an_old_file_that_got_nothing_is_as_it_was),
		WITH_FILE(a_file_of_its_own_that_got_nothing_goes),
		WITH_FILE(until_it_starts_nobody_sees_an_image),
		WITH_FILE(two_do_not_replace_one_image),
		WITH_FILE(the_only_copy_is_kept_when_it_gets_no_name),
		WITH_FILE(a_source_on_a_disk_is_only_read),
		WITH_FILE(a_file_system_without_locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
