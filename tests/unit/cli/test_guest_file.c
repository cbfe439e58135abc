/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/guest.h"
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

static void an_old_file_is_not_fresh_and_gets_the_size(void **state)
{
	write_old(*state);
	live(*state, ",size=16K", true);
	assert_false(fake.block.flags & RAMJET_BLOCK_FRESH);
	assert_int_equal(length_of(*state), 16384);
	live(*state, ",size=4K", true);
	assert_false(fake.block.flags & RAMJET_BLOCK_FRESH);
	assert_int_equal(length_of(*state), 4096);
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

static void a_file_that_another_made_stays(void **state)
{
	struct rj_cli_guest *first, *second;

	(void)unlink(*state);
	assert_int_equal(make(*state, ",size=16K", &first), 0);
	assert_true(make(*state, ",size=4K", &second) < 0);
	assert_int_equal(length_of(*state), 16384);
	/* Renamed: what has the name now is not ours. */
	(void)unlink(*state);
	assert_int_equal(mknod(*state, S_IFREG | 0600, 0), 0);
	rj_cli_guest_free(first);
	assert_int_equal(length_of(*state), 0);
}

#define WITH_FILE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_FILE(an_empty_file_is_fresh_and_sparse),
		WITH_FILE(an_empty_file_that_got_nothing_is_empty),
		WITH_FILE(an_old_file_is_not_fresh_and_gets_the_size),
		WITH_FILE(an_old_file_that_got_nothing_is_as_it_was),
		WITH_FILE(a_file_of_its_own_that_got_nothing_goes),
		WITH_FILE(a_file_that_another_made_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
