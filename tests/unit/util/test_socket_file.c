/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/socket_file.h"

/* Who has a socket's name, when several begin and end at once. */

struct world {
	char folder[64];
	char path[80];
	char other[80];
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)snprintf(w->folder, sizeof(w->folder), "/tmp/rj-socket-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	(void)snprintf(w->path, sizeof(w->path), "%s/s", w->folder);
	(void)snprintf(w->other, sizeof(w->other), "%s/o", w->folder);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	(void)unlink(w->path);
	(void)unlink(w->other);
	assert_int_equal(rmdir(w->folder), 0);
	free(w);
	return 0;
}

static int connects(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
	rc = rc ? -errno : 0;
	(void)close(fd);
	return rc;
}

static void a_file_is_its_users_and_goes_with_it(void **state)
{
	struct world *w = *state;
	struct rj_socket_file file = { 0 };
	struct stat status;
	int fd = rj_socket_file_listen(w->path, "test", &file, NULL);

	assert_true(fd >= 0);
	assert_int_equal(stat(w->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(connects(w->path), 0);
	rj_socket_file_unlink(&file);
	assert_int_equal(access(w->path, F_OK), -1);
	rj_socket_file_unlink(&file);
	(void)close(fd);
}

static void a_stale_one_is_replaced_others_are_not(void **state)
{
	struct world *w = *state;
	struct rj_socket_file file = { 0 }, second = { 0 };
	struct ramjet_error err = { 0 };
	int fd = rj_socket_file_listen(w->path, "test", &file, NULL);

	assert_int_equal(rj_socket_file_listen(w->path, "test", &second, &err),
			 -EADDRINUSE);
	assert_non_null(strstr(err.message, "test: somebody listens there"));
	(void)close(fd);
	fd = rj_socket_file_listen(w->path, "test", &second, NULL);
	assert_true(fd >= 0);
	assert_int_equal(connects(w->path), 0);
	/* The first one ends late: the name is the second one's by now. */
	rj_socket_file_unlink(&file);
	assert_int_equal(connects(w->path), 0);
	(void)close(fd);
}

static void what_took_the_name_stays(void **state)
{
	struct world *w = *state;
	struct rj_socket_file file = { 0 };
	int fd = rj_socket_file_listen(w->path, "test", &file, NULL);

	assert_int_equal(rename(w->path, w->other), 0);
	assert_int_equal(mknod(w->path, S_IFREG | 0600, 0), 0);
	rj_socket_file_unlink(&file);
	assert_int_equal(access(w->path, F_OK), 0);
	assert_int_equal(connects(w->other), 0);
	(void)close(fd);
	assert_int_equal(rj_socket_file_listen(w->path, "test", &file, NULL),
			 -EEXIST);
	assert_int_equal(access(w->path, F_OK), 0);
}

struct starter {
	const char *path;
	int result;
};

static void *start(void *arg)
{
	struct starter *starter = arg;
	struct rj_socket_file file = { 0 };

	starter->result =
		rj_socket_file_listen(starter->path, "test", &file, NULL);
	return NULL;
}

/* How many descriptors of ours are this folder. */
static unsigned open_folders(const char *folder)
{
	DIR *all = opendir("/proc/self/fd");
	struct stat wanted, found;
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(all);
	assert_int_equal(stat(folder, &wanted), 0);
	while ((entry = readdir(all)))
		if (!fstatat(dirfd(all), entry->d_name, &found, 0) &&
		    found.st_dev == wanted.st_dev &&
		    found.st_ino == wanted.st_ino)
			count++;
	(void)closedir(all);
	return count;
}

/* One that is bound and does not listen yet looks dead. */
static void two_that_start_at_once_leave_one(void **state)
{
	struct world *w = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct starter starter = { .path = w->path };
	int lock = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_t thread;

	assert_int_equal(flock(lock, LOCK_EX), 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		       w->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(pthread_create(&thread, NULL, start, &starter), 0);
	while (open_folders(w->folder) < 2)
		(void)sched_yield();
	assert_int_equal(listen(fd, 1), 0);
	(void)close(lock);
	(void)pthread_join(thread, NULL);
	assert_int_equal(starter.result, -EADDRINUSE);
	assert_int_equal(connects(w->path), 0);
	(void)close(fd);
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_FOLDER(a_file_is_its_users_and_goes_with_it),
		IN_FOLDER(a_stale_one_is_replaced_others_are_not),
		IN_FOLDER(what_took_the_name_stays),
		IN_FOLDER(two_that_start_at_once_leave_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
