/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qmp_listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "util/cleanup.h"
#include "util/error.h"

#define BACKLOG 16

const char *rj_qmp_path(const char *address)
{
	const char *path = strncmp(address, "unix:", 5) ? address : address + 5;

	return *path ? path : NULL;
}

static int set_address(const char *path, struct sockaddr_un *ret,
		       struct ramjet_error *err)
{
	size_t bytes = strlen(path);

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (bytes >= sizeof(ret->sun_path))
		return rj_fail(err, -ENAMETOOLONG,
			       "monitor: the socket's path has %zu bytes, at "
			       "most %zu are possible",
			       bytes, sizeof(ret->sun_path) - 1);
	memcpy(ret->sun_path, path, bytes + 1);
	return 0;
}

static int connect_to(const struct sockaddr_un *address)
{
	rj_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		return -errno;
	return rj_steal_fd(&fd);
}

int rj_qmp_connect(const char *path, struct ramjet_error *err)
{
	struct sockaddr_un address;
	int fd, rc = set_address(path, &address, err);

	if (rc)
		return rc;
	fd = connect_to(&address);
	if (fd == -ECONNREFUSED || fd == -ENOENT)
		return rj_fail(err, fd,
			       "monitor %s: nobody listens there, wanted the "
			       "socket of a 'ramjet send|recv|demo --monitor'",
			       path);
	if (fd < 0)
		return rj_fail_errno(err, fd, "monitor %s: connect", path);
	return fd;
}

/* Whoever had it is gone when connecting is refused. */
static int remove_stale(const struct sockaddr_un *address,
			struct ramjet_error *err)
{
	const char *path = address->sun_path;
	struct stat status;
	int fd;

	if (!lstat(path, &status) && !S_ISSOCK(status.st_mode))
		return rj_fail(err, -EEXIST,
			       "monitor %s: something else than a socket has "
			       "this name, wanted a free one",
			       path);
	fd = connect_to(address);
	if (fd != -ECONNREFUSED) {
		if (fd >= 0)
			(void)close(fd);
		return rj_fail(err, -EADDRINUSE,
			       "monitor %s: somebody listens there, wanted a "
			       "free name",
			       path);
	}
	(void)unlink(path);
	return 0;
}

int rj_qmp_listen(const char *path, struct ramjet_error *err)
{
	rj_autoclose int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	int rc = set_address(path, &address, err);

	if (rc)
		return rc;
	/* Linux gives the file the socket's own mode, so there is no moment
	 * at which others could connect. */
	if (fd < 0 || fchmod(fd, S_IRUSR | S_IWUSR))
		return rj_fail_errno(err, -errno, "monitor %s: socket", path);
	rc = bind(fd, (const struct sockaddr *)&address, sizeof(address));
	if (rc && errno == EADDRINUSE) {
		rc = remove_stale(&address, err);
		if (rc)
			return rc;
		rc = bind(fd, (const struct sockaddr *)&address,
			  sizeof(address));
	}
	if (rc || listen(fd, BACKLOG))
		return rj_fail_errno(err, -errno, "monitor %s: listen", path);
	return rj_steal_fd(&fd);
}
