/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qmp/listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "util/cleanup.h"
#include "util/compiler.h"
#include "util/error.h"

/* A listener that accepts nobody (QEMU serves one client at a time, and lets
 * two wait) keeps a connect waiting; so does one that doesn't read, a send. */
#define CONNECT_S 15

const char *rj_qmp_path(const char *address)
{
	static const char *const others[] = { "tcp:", "vsock:", "fd:", "exec:",
					      "file:" };
	const char *path = strncmp(address, "unix:", 5) ? address : address + 5;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(others); i++)
		if (!strncmp(address, others[i], strlen(others[i])))
			return NULL;
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
	const struct timeval patience = { .tv_sec = CONNECT_S };

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)) ||
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
	if (fd == -EAGAIN)
		return rj_fail(
			err, -EBUSY,
			"monitor %s: other clients wait there, wanted to "
			"be the only one",
			path);
	if (fd < 0)
		return rj_fail_errno(err, fd, "monitor %s: connect", path);
	return fd;
}

int rj_qmp_listen(const char *path, struct rj_socket_file *ret,
		  struct ramjet_error *err)
{
	char what[sizeof(ret->path) + 16];

	(void)snprintf(what, sizeof(what), "monitor %s", path);
	return rj_socket_file_listen(path, what, ret, err);
}
