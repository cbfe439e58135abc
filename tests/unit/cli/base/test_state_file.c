/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/base/state_file.h"

/* Helpers' state by name: what is no regular file is never replaced. */

static int set_up(void **state)
{
	char *folder = strdup("/tmp/rj-state-XXXXXX");

	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	(void)unlink("state");
	(void)unlink("link");
	(void)unlink("fifo");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(*state), 0); /* nothing is left beside */
	free(*state);
	return 0;
}

static void assert_holds(const char *path, const char *wanted)
{
	struct ramjet_error err = { 0 };
	void *data = NULL;
	size_t bytes = 0;

	assert_int_equal(rj_cli_state_file_read(path, 100, &data, &bytes, &err),
			 0);
	assert_int_equal(bytes, strlen(wanted));
	assert_memory_equal(data, wanted, bytes);
	free(data);
}

static void a_new_file_is_for_its_owner_alone(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(rj_cli_state_file_write("state", "one", 3, NULL), 0);
	assert_int_equal(stat("state", &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(chmod("state", 0644), 0);
	assert_int_equal(rj_cli_state_file_write("state", "two!", 4, NULL), 0);
	assert_int_equal(stat("state", &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_holds("state", "two!");
}

static void a_link_stays_one(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(symlink("state", "link"), 0);
	assert_int_equal(rj_cli_state_file_write("link", "one", 3, NULL), 0);
	assert_int_equal(lstat("link", &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_holds("state", "one");
}

static void a_fifo_is_written_and_stays_one(void **state)
{
	struct stat status;
	char text[8] = "";
	int fd;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	fd = open("fifo", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(rj_cli_state_file_write("fifo", "one", 3, NULL), 0);
	assert_int_equal(read(fd, text, sizeof(text)), 3);
	assert_string_equal(text, "one");
	assert_int_equal(lstat("fifo", &status), 0);
	assert_true(S_ISFIFO(status.st_mode));
	(void)close(fd);
}

static void a_device_is_written_and_stays_one(void **state)
{
	struct ramjet_error err = { 0 };
	struct stat before, after;

	(void)state;
	assert_int_equal(stat("/dev/full", &before), 0);
	assert_int_equal(rj_cli_state_file_write("/dev/full", "one", 3, &err),
			 -ENOSPC);
	assert_non_null(strstr(err.message, "/dev/full: writing: No space"));
	assert_int_equal(stat("/dev/full", &after), 0);
	assert_true(S_ISCHR(after.st_mode));
	assert_int_equal(before.st_rdev, after.st_rdev);
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_FOLDER(a_new_file_is_for_its_owner_alone),
		IN_FOLDER(a_link_stays_one),
		IN_FOLDER(a_fifo_is_written_and_stays_one),
		IN_FOLDER(a_device_is_written_and_stays_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
