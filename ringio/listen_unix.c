/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A listener that died leaves its socket file behind, and bind() refuses the
 * path. The file is stale when connecting to it is refused. Two starting
 * listeners could each take the other for dead between bind() and listen(),
 * so the test and the two calls happen under a lock on the directory.
 */
#include "ringio/listen_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "ringio/address.h"
#include "util/cleanup.h"
#include "util/error.h"

static int open_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* -1 where the directory may not be read; then there is no lock. */
static int lock_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)] = ".";
	rj_autoclose int fd = -1;

	if (slash) {
		size_t bytes = slash == path ? 1 : (size_t)(slash - path);

		memcpy(directory, path, bytes);
		directory[bytes] = '\0';
	}
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB))
		return -1;
	return rj_steal_fd(&fd);
}

static bool is_socket_file(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISSOCK(st.st_mode);
}

void rj_listen_unix_unlink(const char *path)
{
	if (is_socket_file(path))
		(void)unlink(path);
}

static int remove_stale(const char *path, const union rj_address *address,
			socklen_t bytes, struct ramjet_error *err)
{
	rj_autoclose int fd = open_socket();

	if (!is_socket_file(path))
		return rj_fail(err, -EEXIST,
			       "listen unix:%s: something else than a socket "
			       "has this name, want a free one",
			       path);
	if (fd < 0)
		return rj_fail_wanted(err, fd, "a socket", "listen unix:%s",
				      path);
	if (!connect(fd, &address->any, bytes) || errno != ECONNREFUSED)
		return rj_fail(err, -EADDRINUSE,
			       "listen unix:%s: somebody listens there, want a "
			       "free name",
			       path);
	rj_listen_unix_unlink(path);
	return 0;
}

int rj_listen_unix(const struct rj_uri *uri, struct ramjet_error *err)
{
	RJ_UNUSED rj_autoclose int lock = lock_directory(uri->path);
	rj_autoclose int fd = open_socket();
	union rj_address address;
	socklen_t bytes = rj_address_of_uri(uri, &address);
	int rc = 0;

	if (fd < 0)
		return rj_fail_wanted(err, fd, "a socket", "listen unix:%s",
				      uri->path);
	/* Linux gives the file the socket's own mode, less the umask: there
	 * is no moment at which others could connect. */
	if (fchmod(fd, S_IRUSR | S_IWUSR))
		return rj_fail_errno(err, -errno, "listen unix:%s: mode",
				     uri->path);
	if (bind(fd, &address.any, bytes)) {
		if (errno != EADDRINUSE)
			return rj_fail_wanted(err, -errno,
					      "a free name in a folder that is "
					      "there",
					      "listen unix:%s", uri->path);
		rc = remove_stale(uri->path, &address, bytes, err);
		if (rc)
			return rc;
		if (bind(fd, &address.any, bytes))
			return rj_fail_wanted(err, -errno,
					      "a free name in a folder that is "
					      "there",
					      "listen unix:%s", uri->path);
	}
	if (listen(fd, SOMAXCONN)) {
		rc = rj_fail_errno(err, -errno, "listen unix:%s", uri->path);
		rj_listen_unix_unlink(uri->path);
		return rc;
	}
	return rj_steal_fd(&fd);
}
