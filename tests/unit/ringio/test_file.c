/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams in files: beside the old one by name, in place by descriptor. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ringio/channel.h"
#include "ringio/endpoint.h"
#include "tests/unit/ringio/calls.h"

#define PIECE_BYTES (1u << 20)

struct scene {
	char folder[32], path[64];
	struct rj_uri uri;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	s->uri = uri_of("file:%s",
			fresh_path(s->folder, s->path, sizeof(s->path)));
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	int rc;

	(void)unlink(s->path);
	/* Nothing else may be left in it. */
	rc = rmdir(s->folder);
	free(s);
	return rc;
}

static void fill(const struct scene *s, const char *text)
{
	int fd = open(s->path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static void holds(const struct scene *s, const char *text)
{
	int fd = open(s->path, O_RDONLY);
	char found[64] = "";

	assert_true(read(fd, found, sizeof(found) - 1) >= 0);
	assert_string_equal(found, text);
	(void)close(fd);
}

static struct rj_conn given(int fd, bool writing)
{
	struct rj_uri uri = uri_of("fd:%d", fd);

	return writing ? connected_to(&uri) : incoming_of(&uri);
}

static void say(struct rj_conn *conn, const char *text)
{
	assert_int_equal(rj_send_all(conn, text, strlen(text), 0, -1), 0);
}

static void nobody_sees_a_stream_before_it_is_whole(void **state)
{
	struct scene *s = *state;
	mode_t mask = umask(0);
	struct rj_conn conn;
	struct stat st;
	char text[128];

	fill(s, "the old one");
	conn = connected_to(&s->uri);
	(void)umask(mask);
	assert_int_equal(conn.kind, RJ_CONN_FILE);
	assert_true(rj_conn_is_held_back(&conn));
	rj_conn_describe(&conn, text, sizeof(text));
	assert_non_null(strstr(text, s->path));
	say(&conn, "abc");
	holds(s, "the old one");
	assert_int_equal(rj_conn_sync(&conn, 0, NULL), 0);
	assert_int_equal(rj_conn_publish(&conn, NULL), 0);
	holds(s, "abc");
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
}

static void an_unfinished_stream_leaves_no_trace(void **state)
{
	struct scene *s = *state;
	struct rj_conn conn;
	struct stat st;

	incoming_fails(&s->uri, -ENOENT, s->path);
	conn = connected_to(&s->uri);
	say(&conn, "abc");
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	assert_int_equal(stat(s->path, &st), -1);
	fill(s, "the old one");
	conn = connected_to(&s->uri);
	say(&conn, "abc");
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	holds(s, "the old one");
}

static void what_is_no_file_is_used_as_it_is(void **state)
{
	struct rj_uri uri = uri_of("file:/tmp");
	struct scene *s = *state;
	struct rj_conn conn, reader;
	char byte;

	incoming_fails(&uri, -EINVAL, "not a regular file");
	connect_fails(&uri, -EISDIR, "/tmp");
	uri = uri_of("file:%s/no/such", s->folder);
	connect_fails(&uri, -ENOENT, "no/such");
	uri = uri_of("file:/dev/null");
	conn = connected_to(&uri);
	assert_false(rj_conn_is_held_back(&conn));
	say(&conn, "abc");
	assert_int_equal(rj_conn_sync(&conn, 0, NULL), 0);
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	assert_int_equal(mkfifo(s->path, 0600), 0);
	connect_fails(&s->uri, -ENXIO, s->path);
	reader = incoming_of(&s->uri);
	conn = connected_to(&s->uri);
	assert_int_equal(conn.kind, RJ_CONN_PIPE);
	say(&conn, "a");
	assert_int_equal(rj_recv_all(&reader, &byte, 1, 0, -1), 0);
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	assert_int_equal(rj_conn_close(&reader, 0, NULL), 0);
}

/* What was there before, behind a stream that ends early, could be the rest
 * of another one; behind a whole one it is junk. */
static void a_given_file_ends_where_the_stream_ends(void **state)
{
	struct scene *s = *state;
	struct rj_conn conn;
	int fd;

	fill(s, "head and a long, long tail");
	fd = open(s->path, O_WRONLY);
	assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
	conn = given(fd, true);
	assert_false(rj_conn_is_held_back(&conn));
	holds(s, "head and a long, long tail");
	assert_int_equal(rj_conn_begin(&conn, NULL), 0);
	holds(s, "head ");
	say(&conn, "abc");
	assert_int_equal(rj_conn_sync(&conn, 0, NULL), 0);
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	holds(s, "head abc");
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 8);
	(void)close(fd);
}

static void appending_goes_on_at_the_end(void **state)
{
	struct scene *s = *state;
	struct ramjet_error err = { 0 };
	struct rj_conn conn;
	int fd;

	fill(s, "head ");
	fd = open(s->path, O_WRONLY | O_APPEND);
	conn = given(fd, true);
	assert_int_equal(rj_conn_begin(&conn, NULL), 0);
	assert_int_equal(rj_conn_sync(&conn, 0, NULL), 0);
	say(&conn, "abc");
	assert_int_equal(rj_conn_sync(&conn, 0, NULL), 0);
	holds(s, "head abc");
	/* Somebody else's bytes are in it: it is no stream. */
	assert_int_equal(write(fd, "d", 1), 1);
	assert_int_equal(lseek(fd, 8, SEEK_SET), 8);
	assert_int_equal(rj_conn_sync(&conn, 0, &err), -EIO);
	assert_says(&err, "holds 9 bytes, wanted the 8");
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	(void)close(fd);
}

static void bytes_that_are_missing_are_missed(void **state)
{
	struct scene *s = *state;
	struct ramjet_error err = { 0 };
	struct rj_conn conn = connected_to(&s->uri);

	say(&conn, "abc");
	assert_int_equal(rj_conn_sync(&conn, 1, &err), -EIO);
	assert_says(&err, "holds 3 bytes, wanted the 4");
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
}

static void who_writes_is_alone(void **state)
{
	struct scene *s = *state;
	struct ramjet_error err = { 0 };
	struct rj_conn first, second;
	int fd;

	fill(s, "abc");
	first = incoming_of(&s->uri);
	second = incoming_of(&s->uri);
	assert_int_equal(rj_conn_lock(&first, NULL), 0);
	assert_int_equal(rj_conn_lock(&second, NULL), 0);
	assert_int_equal(rj_conn_close(&second, 0, NULL), 0);
	second = connected_to(&s->uri);
	assert_int_equal(rj_conn_lock(&second, &err), -EAGAIN);
	assert_says(&err, s->path);
	assert_says(&err, "in use by another ramjet");
	assert_int_equal(rj_conn_close(&second, 0, NULL), 0);
	fd = open(s->path, O_RDWR);
	second = given(fd, true);
	assert_int_equal(rj_conn_lock(&second, NULL), -EAGAIN);
	assert_int_equal(rj_conn_close(&first, 0, NULL), 0);
	assert_int_equal(rj_conn_close(&second, 0, NULL), 0);
	/* The giver's own lock is no obstacle, and ours does not stay. */
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	second = given(fd, true);
	assert_int_equal(rj_conn_lock(&second, NULL), 0);
	assert_int_equal(rj_conn_close(&second, 0, NULL), 0);
	assert_int_equal(flock(fd, LOCK_UN), 0);
	second = given(fd, false);
	assert_int_equal(rj_conn_lock(&second, NULL), 0);
	assert_int_equal(rj_conn_close(&second, 0, NULL), 0);
	first = connected_to(&s->uri);
	assert_int_equal(rj_conn_lock(&first, NULL), 0);
	assert_int_equal(rj_conn_close(&first, 0, NULL), 0);
	(void)close(fd);
}

static void send_past_the_limit(const struct scene *s,
				enum ramjet_backend backend, int flags)
{
	const struct rj_channel_options options = { backend, -1 };
	struct rj_channel *channel = NULL;
	uint8_t *data = calloc(1, PIECE_BYTES);
	struct ramjet_error err = { 0 };
	struct rj_conn conn;
	struct stat st;
	int fd, rc = 0;

	fill(s, "head");
	fd = open(s->path, O_WRONLY | flags);
	assert_int_equal(lseek(fd, 0, SEEK_END), 4);
	conn = given(fd, true);
	rc = rj_channel_new(&conn, &options, &channel, &err);
	if (rc && backend == RAMJET_BACKEND_URING) {
		print_message("# no io_uring here: %s\n", err.message);
	} else {
		assert_int_equal(rc, 0);
		for (unsigned i = 0; !rc && i < 4; i++) {
			struct iovec iov = { data, PIECE_BYTES };

			memset(data, 'a' + (int)i, PIECE_BYTES);
			rc = rj_channel_send_start(channel, &iov, 1);
			if (!rc)
				rc = rj_channel_send_wait(channel);
		}
		assert_int_equal(rc, -EFBIG);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_size, 2 * PIECE_BYTES + 100);
		assert_int_equal(rj_channel_bytes(channel),
				 2 * PIECE_BYTES + 96);
	}
	rj_channel_free(channel);
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	(void)close(fd);
	free(data);
}

/* A write that ends early is no success of the next one; nor does the limit's
 * signal, whose default is death, reach anybody. */
static void a_file_that_takes_no_more_is_an_error(void **state)
{
	struct rlimit old, limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 2 * PIECE_BYTES + 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	send_past_the_limit(*state, RAMJET_BACKEND_SYSCALLS, 0);
	send_past_the_limit(*state, RAMJET_BACKEND_SYSCALLS, O_APPEND);
	send_past_the_limit(*state, RAMJET_BACKEND_URING, 0);
	send_past_the_limit(*state, RAMJET_BACKEND_URING, O_APPEND);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
}

ssize_t __real_readlink(const char *path, char *buffer, size_t bytes);
ssize_t __wrap_readlink(const char *path, char *buffer, size_t bytes);

static bool no_proc;

ssize_t __wrap_readlink(const char *path, char *buffer, size_t bytes)
{
	if (!no_proc)
		return __real_readlink(path, buffer, bytes);
	errno = ENOENT;
	return -1;
}

/* Not why its name cannot be told. */
static void what_cannot_be_cut_off_says_why(void **state)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct ramjet_error err = { 0 };
	struct rj_conn conn;

	(void)state;
	assert_int_equal(write(fd, "old", 3), 3);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	conn = given(fd, true);
	no_proc = true;
	assert_int_equal(rj_conn_begin(&conn, &err), -EPERM);
	no_proc = false;
	assert_says(&err, "file ?: cutting off what it held");
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	(void)close(fd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nobody_sees_a_stream_before_it_is_whole),
		CASE(an_unfinished_stream_leaves_no_trace),
		CASE(what_is_no_file_is_used_as_it_is),
		CASE(a_given_file_ends_where_the_stream_ends),
		CASE(appending_goes_on_at_the_end),
		CASE(bytes_that_are_missing_are_missed),
		CASE(who_writes_is_alone),
		CASE(a_file_that_takes_no_more_is_an_error),
		CASE(what_cannot_be_cut_off_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
