/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ringio/bare.h"
#include "util/beside.h"
#include "util/cleanup.h"
#include "util/error.h"

struct rj_file {
	/* file: to be written; owns the connection's descriptor then */
	struct rj_beside beside;
	int given;   /* fd: the giver's number, or -1 */
	int lock_fd; /* a file opened by ourselves, to be locked, or -1 */
	bool writing;
};

bool rj_file_is_held_back(const struct rj_conn *conn)
{
	return conn->file && conn->file->beside.fd >= 0 &&
	       !conn->file->beside.in_place;
}

static struct rj_file *new_file(bool writing)
{
	struct rj_file *file = malloc(sizeof(*file));

	if (file)
		*file = (struct rj_file){
			.beside = RJ_BESIDE_NONE,
			.given = -1,
			.lock_fd = -1,
			.writing = writing,
		};
	return file;
}

static void close_file(struct rj_conn *conn)
{
	struct rj_file *file = conn->file;

	if (!file)
		return;
	if (file->beside.fd >= 0)
		conn->fd = -1;
	rj_beside_abandon(&file->beside);
	rj_close_fd(&file->lock_fd);
	free(file);
	conn->file = NULL;
}

static int finish(struct rj_conn *conn, uint64_t deadline_ns RJ_UNUSED,
		  int wake_fd RJ_UNUSED, struct ramjet_error *err RJ_UNUSED)
{
	close_file(conn);
	rj_close_fd(&conn->fd);
	return 0;
}

static const char *path_of(const struct rj_conn *conn)
{
	return conn->file && conn->file->beside.fd >= 0
		       ? conn->file->beside.path
		       : NULL;
}

static void describe_open_file(int fd, char *buffer, size_t bytes)
{
	char link[32], path[256];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	(void)snprintf(buffer, bytes, "file %.*s", n > 0 ? (int)n : 1,
		       n > 0 ? path : "?");
}

static void describe(const struct rj_conn *conn, char *buffer, size_t bytes)
{
	const char *path = path_of(conn);

	if (conn->fd < 0)
		(void)snprintf(buffer, bytes, "closed");
	else if (conn->kind == RJ_CONN_PIPE && !path)
		(void)snprintf(buffer, bytes, "pipe fd %d", conn->fd);
	else if (path)
		(void)snprintf(buffer, bytes, "file %s", path);
	else
		describe_open_file(conn->fd, buffer, bytes);
}

static const struct rj_conn_ops ops = {
	.bare = true,
	.send = rj_bare_write,
	.receive = rj_bare_read,
	.poll_fd = rj_bare_poll_fd,
	.finish = finish,
	.describe = describe,
};

/* Non-blocking, or a named pipe would wait for its other end here. 0600: it
 * will hold a guest's memory. */
static int open_path(const char *path, struct rj_conn *conn,
		     struct ramjet_error *err)
{
	const int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct rj_file *file = conn->file;
	int rc = 0;

	if (file->writing)
		rc = rj_beside_open(path, O_WRONLY | O_NONBLOCK, 0600,
				    &file->beside, err);
	if (rc) {
		rj_error_prefix(err, "file");
		return rc;
	}
	conn->fd =
		file->writing ? file->beside.fd : open(path, O_RDONLY | flags);
	return conn->fd < 0
		       ? rj_fail_wanted(err, -errno, "a stream that was saved",
					"file:%s: opening it for reading", path)
		       : 0;
}

static int find_kind(const char *path, struct rj_conn *conn,
		     struct ramjet_error *err)
{
	struct stat st;

	if (fstat(conn->fd, &st))
		return rj_fail_errno(err, -errno, "file:%s: fstat", path);
	if (S_ISFIFO(st.st_mode))
		conn->kind = RJ_CONN_PIPE;
	else if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) ||
		 (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
		conn->kind = RJ_CONN_FILE;
	else
		return rj_fail(err, -EINVAL,
			       "file:%s: not a regular file, wanted one", path);
	return 0;
}

int rj_file_open(const char *path, bool writing, struct rj_conn *ret,
		 struct ramjet_error *err)
{
	struct rj_conn conn = RJ_CONN_NONE;
	int rc;

	conn.file = new_file(writing);
	if (!conn.file)
		return rj_fail(err, -ENOMEM, "file:%s: out of memory", path);
	rc = open_path(path, &conn, err);
	if (!rc)
		rc = find_kind(path, &conn, err);
	if (rc) {
		(void)finish(&conn, 0, -1, NULL);
		return rc;
	}
	conn.ops = &ops;
	*ret = conn;
	return 0;
}

int rj_file_adopt(struct rj_conn *conn, int given, bool writing,
		  struct ramjet_error *err)
{
	const int flags = fcntl(given, F_GETFL);

	conn->kind = RJ_CONN_FILE;
	conn->ops = &ops;
	/* With O_APPEND the first byte goes to the file's end: count from
	 * there. Others must not append meanwhile. */
	if (writing && flags & O_APPEND && lseek(conn->fd, 0, SEEK_END) < 0)
		return rj_fail_errno(err, -errno, "fd:%d: seeking its end",
				     given);
	conn->file = new_file(writing);
	if (!conn->file)
		return rj_fail(err, -ENOMEM, "fd:%d: out of memory", given);
	conn->file->given = given;
	return 0;
}

int rj_file_content(const struct rj_conn *conn)
{
	return rj_file_is_held_back(conn) ? conn->file->beside.old_fd
					  : conn->fd;
}

/* A file system without locks: go on without one. */
static int try_lock(int fd, int operation)
{
	if (fd < 0 || !flock(fd, operation | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK ? -errno : 0;
}

/*
 * A lock belongs to an open file description. The one we were given is shared
 * with others, so the lock would stay when we are done: so the file is opened
 * anew. If the given description itself holds the lock, that counts as ours.
 */
static int lock_given(struct rj_file *file, int operation)
{
	char path[32];
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file->given);
	/* Opened for writing if it is being written: NFS needs that for an
	 * exclusive lock. */
	file->lock_fd = open(path, (file->writing ? O_WRONLY : O_RDONLY) |
					   O_CLOEXEC | O_NONBLOCK);
	rc = try_lock(file->lock_fd, operation);
	return rc ? try_lock(file->given, operation) : 0;
}

int rj_file_lock(struct rj_conn *conn, struct ramjet_error *err)
{
	struct rj_file *file = conn->file;
	const int fd = rj_file_content(conn);
	const int operation = file->writing ? LOCK_EX : LOCK_SH;
	struct stat st;
	char name[288];
	int rc;

	/* Block devices are not locked: udev takes their lock now and then. */
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	rc = file->given >= 0 ? lock_given(file, operation)
			      : try_lock(fd, operation);
	if (!rc)
		return 0;
	describe(conn, name, sizeof(name));
	return rj_fail_errno(err, rc, "%s: in use by another ramjet", name);
}

int rj_file_begin(struct rj_conn *conn, struct ramjet_error *err)
{
	const off_t place = lseek(conn->fd, 0, SEEK_CUR);
	struct stat st;
	char name[288];
	int rc;

	if (place < 0 || fstat(conn->fd, &st) || !S_ISREG(st.st_mode) ||
	    st.st_size <= place || !ftruncate(conn->fd, place))
		return 0;
	/* Before the name is looked up, which may fail, too. */
	rc = -errno;
	describe(conn, name, sizeof(name));
	return rj_fail_errno(err, rc, "%s: cutting off what it held", name);
}

/* All that was written must be there, and nothing else behind it. */
static int check_length(struct rj_conn *conn, uint64_t sent_bytes,
			const char *name, struct ramjet_error *err)
{
	const off_t place = lseek(conn->fd, 0, SEEK_CUR);
	struct stat st;
	uint64_t end;

	if (place < 0 || fstat(conn->fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	end = (uint64_t)place + sent_bytes;
	if ((uint64_t)st.st_size != end)
		return rj_fail(
			err, -EIO,
			"%s: holds %llu bytes, wanted the %llu that were "
			"written",
			name, (unsigned long long)st.st_size,
			(unsigned long long)end);
	return 0;
}

int rj_file_sync(struct rj_conn *conn, uint64_t sent_bytes,
		 struct ramjet_error *err)
{
	char name[288];
	int rc;

	describe(conn, name, sizeof(name));
	rc = check_length(conn, sent_bytes, name, err);
	if (rc)
		return rc;
	if (rj_file_is_held_back(conn))
		return rj_beside_sync(&conn->file->beside, err);
	/* EINVAL: there is no disk behind it, as with /dev/null. */
	return fsync(conn->fd) && errno != EINVAL
		       ? rj_fail_errno(err, -errno, "%s: getting it on disk",
				       name)
		       : 0;
}

int rj_file_publish(struct rj_conn *conn, struct ramjet_error *err)
{
	struct rj_beside *beside;
	int rc;

	if (!rj_file_is_held_back(conn))
		return 0;
	beside = &conn->file->beside;
	rc = rj_beside_commit(beside, err);
	/* Not removed: it may be the only copy. */
	rj_beside_keep(beside);
	conn->fd = -1;
	return rc;
}
