/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/beside.h"
#include "util/cleanup.h"

#define PATH_BYTES 512

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/ramjet-beside-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	DIR *open_folder = opendir(folder);
	struct dirent *entry;

	(void)state;
	while ((entry = readdir(open_folder)))
		(void)unlinkat(dirfd(open_folder), entry->d_name, 0);
	(void)closedir(open_folder);
	return rmdir(folder);
}

static const char *path_of(const char *name)
{
	static char path[4][PATH_BYTES];
	static unsigned next;

	next = (next + 1) % 4;
	(void)snprintf(path[next], PATH_BYTES, "%s/%s", folder, name);
	return path[next];
}

static void fill(const char *path, const char *text)
{
	rj_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void holds(const char *path, const char *text)
{
	rj_autoclose int fd = open(path, O_RDONLY);
	char found[64] = "";

	assert_true(fd >= 0);
	assert_true(read(fd, found, sizeof(found) - 1) >= 0);
	assert_string_equal(found, text);
}

static unsigned entries(void)
{
	DIR *open_folder = opendir(folder);
	unsigned count = 0;

	while (readdir(open_folder))
		count++;
	(void)closedir(open_folder);
	return count - 2;
}

static mode_t mode_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_mode & 07777;
}

static struct rj_beside begin(const char *path, mode_t mode)
{
	struct rj_beside file = RJ_BESIDE_NONE;
	struct ramjet_error err = { 0 };

	if (rj_beside_open(path, O_WRONLY | O_TRUNC, mode, &file, &err))
		fail_msg("%s", err.message);
	assert_int_equal(write(file.fd, "new", 3), 3);
	return file;
}

static void write_new(const char *path, mode_t mode)
{
	struct rj_beside file = begin(path, mode);
	struct ramjet_error err = { 0 };

	if (rj_beside_commit(&file, &err))
		fail_msg("%s", err.message);
	assert_int_equal(file.fd, -1);
}

static void the_old_file_stays_until_the_commit(void **state)
{
	struct rj_beside file;

	(void)state;
	fill(path_of("f"), "old");
	file = begin(path_of("f"), 0600);
	assert_false(file.in_place);
	holds(path_of("f"), "old");
	assert_int_equal(rj_beside_commit(&file, NULL), 0);
	holds(path_of("f"), "new");
	assert_int_equal(mode_of(path_of("f")), 0600);
	assert_int_equal(entries(), 1);
	rj_beside_abandon(&file);
	holds(path_of("f"), "new");
}

static void abandoned_nothing_is_left(void **state)
{
	struct rj_beside file;

	(void)state;
	fill(path_of("f"), "old");
	file = begin(path_of("f"), 0600);
	rj_beside_abandon(&file);
	holds(path_of("f"), "old");
	assert_int_equal(mode_of(path_of("f")), 0644);
	file = begin(path_of("g"), 0600);
	rj_beside_abandon(&file);
	assert_int_equal(entries(), 1);
}

static void a_mode_is_asked_for_or_kept_or_the_umasks(void **state)
{
	const mode_t old = umask(0027);

	(void)state;
	write_new(path_of("asked"), 0604);
	write_new(path_of("usual"), 0);
	fill(path_of("kept"), "old");
	assert_int_equal(chmod(path_of("kept"), 0606), 0);
	write_new(path_of("kept"), 0);
	(void)umask(old);
	assert_int_equal(mode_of(path_of("asked")), 0604);
	assert_int_equal(mode_of(path_of("usual")), 0640);
	assert_int_equal(mode_of(path_of("kept")), 0606);
}

static void links_stay_links(void **state)
{
	struct stat status;

	(void)state;
	fill(path_of("f"), "old");
	assert_int_equal(symlink("f", path_of("one")), 0);
	assert_int_equal(symlink(path_of("one"), path_of("two")), 0);
	assert_int_equal(symlink("later", path_of("dangling")), 0);
	write_new(path_of("two"), 0600);
	holds(path_of("f"), "new");
	assert_int_equal(lstat(path_of("two"), &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_int_equal(lstat(path_of("one"), &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	write_new(path_of("dangling"), 0600);
	holds(path_of("later"), "new");
	assert_int_equal(lstat(path_of("dangling"), &status), 0);
	assert_true(S_ISLNK(status.st_mode));
}

static void links_in_a_circle_are_refused(void **state)
{
	struct rj_beside file = RJ_BESIDE_NONE;

	(void)state;
	assert_int_equal(symlink("a", path_of("b")), 0);
	assert_int_equal(symlink("b", path_of("a")), 0);
	assert_int_equal(
		rj_beside_open(path_of("a"), O_WRONLY, 0600, &file, NULL),
		-ELOOP);
	assert_int_equal(entries(), 2);
}

static void what_is_no_file_is_written_in_place(void **state)
{
	const char *path = path_of("pipe");
	rj_autoclose int reader = -1;
	struct rj_beside file;
	char text[4] = "";
	struct stat status;

	(void)state;
	assert_int_equal(mkfifo(path, 0622), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	file = begin(path, 0600);
	assert_true(file.in_place);
	assert_int_equal(rj_beside_commit(&file, NULL), 0);
	assert_int_equal(read(reader, text, 3), 3);
	assert_string_equal(text, "new");
	assert_int_equal(stat(path, &status), 0);
	assert_true(S_ISFIFO(status.st_mode));
	write_new("/dev/null", 0600);
	assert_int_equal(stat("/dev/null", &status), 0);
	assert_true(S_ISCHR(status.st_mode));
}

static void a_descriptor_under_proc_is_written_in_place(void **state)
{
	rj_autoclose int fd = open(path_of("f"), O_RDWR | O_CREAT, 0644);
	char path[64], text[4] = "";

	(void)state;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (access(path, F_OK)) {
		print_message("# skipped: no /proc here\n");
		skip();
	}
	write_new(path, 0600);
	assert_int_equal(pread(fd, text, 3, 0), 3);
	assert_string_equal(text, "new");
	assert_int_equal(entries(), 1);
}

#define NOBODY  65534
#define ANOTHER 65533

/* As somebody who may write the file, but not its folder. */
static bool be_stranger(const char *path, uid_t owner, mode_t mode)
{
	if (geteuid())
		return false;
	assert_int_equal(chmod(folder, mode), 0);
	assert_int_equal(chown(path, owner, NOBODY), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	return true;
}

static void expect_in_place(const char *path)
{
	struct rj_beside file = begin(path, 0600);

	assert_true(file.in_place);
	assert_int_equal(rj_beside_commit(&file, NULL), 0);
}

static void where_nothing_can_be_made_it_is_in_place(void **state)
{
	struct rj_beside file = RJ_BESIDE_NONE;
	bool stranger;

	(void)state;
	fill(path_of("f"), "older");
	stranger = be_stranger(path_of("f"), NOBODY, 0755);
	if (!stranger)
		assert_int_equal(chmod(folder, 0500), 0);
	expect_in_place(path_of("f"));
	assert_int_equal(
		rj_beside_open(path_of("g"), O_WRONLY, 0600, &file, NULL),
		-EACCES);
	if (stranger)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(folder, 0700), 0);
	holds(path_of("f"), "new");
	assert_int_equal(mode_of(path_of("f")), 0600);
}

/* Writing it is allowed, replacing it is not. */
static void anothers_file_in_a_sticky_folder_is_in_place(void **state)
{
	(void)state;
	fill(path_of("f"), "older");
	if (!be_stranger(path_of("f"), ANOTHER, 01777)) {
		print_message("# skipped: only root can give a file away\n");
		skip();
	}
	expect_in_place(path_of("f"));
	assert_int_equal(seteuid(0), 0);
	holds(path_of("f"), "new");
	assert_int_equal(entries(), 1);
}

static void a_mount_point_is_written_in_place(void **state)
{
	const char *path = path_of("f"), *under = path_of("under");

	(void)state;
	fill(path, "");
	fill(under, "older");
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(under, path, NULL, MS_BIND, NULL)) {
		print_message("# skipped: no mount namespace here: %s\n",
			      strerror(errno));
		skip();
	}
	expect_in_place(path);
	assert_int_equal(umount(path), 0);
	holds(under, "new");
	holds(path, "");
}

static void all_that_there_is_survives_a_failed_commit(void **state)
{
	struct rj_beside file = begin(path_of("f"), 0600);
	struct ramjet_error err = { 0 };
	char temp[NAME_MAX + 1];

	(void)state;
	assert_int_equal(mkdir(path_of("f"), 0700), 0);
	assert_int_equal(rj_beside_commit(&file, &err), -EISDIR);
	(void)snprintf(temp, sizeof(temp), "%s", file.temp);
	assert_non_null(strstr(err.message, temp));
	assert_int_equal(rmdir(path_of("f")), 0);
	rj_beside_keep(&file);
	holds(path_of(temp), "new");
}

static void a_folder_is_refused(void **state)
{
	struct rj_beside file = RJ_BESIDE_NONE;

	(void)state;
	assert_int_equal(rj_beside_open(folder, O_WRONLY, 0600, &file, NULL),
			 -EISDIR);
	assert_int_equal(
		rj_beside_open(path_of("no/such"), O_WRONLY, 0600, &file, NULL),
		-ENOENT);
}

static void the_longest_name_fits(void **state)
{
	char name[NAME_MAX + 1];

	(void)state;
	memset(name, 'n', NAME_MAX);
	name[NAME_MAX] = '\0';
	write_new(path_of(name), 0600);
	assert_int_equal(entries(), 1);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_old_file_stays_until_the_commit),
		CASE(abandoned_nothing_is_left),
		CASE(a_mode_is_asked_for_or_kept_or_the_umasks),
		CASE(links_stay_links),
		CASE(links_in_a_circle_are_refused),
		CASE(what_is_no_file_is_written_in_place),
		CASE(a_descriptor_under_proc_is_written_in_place),
		CASE(where_nothing_can_be_made_it_is_in_place),
		CASE(anothers_file_in_a_sticky_folder_is_in_place),
		CASE(a_mount_point_is_written_in_place),
		CASE(all_that_there_is_survives_a_failed_commit),
		CASE(a_folder_is_refused),
		CASE(the_longest_name_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
