/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/* For others to be done; some (systemd-tmpfiles) hold a folder for longer than
 * we do. Then there is no lock. */
#define LOCK_NS UINT64_C(2000000000)
#define NAP_NS  5000000

static int open_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* -1 where the folder may not be read, or is not to be had. */
static int lock_folder(const char *path)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	const uint64_t end_ns = rj_now_ns() + LOCK_NS;
	const char *slash = strrchr(path, '/');
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)] = ".";
	rj_autoclose int fd = -1;

	if (slash) {
		const size_t bytes = slash == path ? 1 : (size_t)(slash - path);

		memcpy(folder, path, bytes);
		folder[bytes] = '\0';
	}
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK || rj_now_ns() >= end_ns)
			return -1;
		(void)nanosleep(&nap, NULL);
	}
	return rj_steal_fd(&fd);
}

static int remove_stale(const struct sockaddr_un *address, const char *what,
			struct ramjet_error *err)
{
	const char *path = address->sun_path;
	rj_autoclose int fd = open_socket();
	struct stat status;

	if (!lstat(path, &status) && !S_ISSOCK(status.st_mode))
		return rj_fail(err, -EEXIST,
			       "%s: something else than a socket has this "
			       "name, wanted a free one",
			       what);
	if (fd < 0)
		return rj_fail_wanted(err, fd, "a socket", "%s", what);
	if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)) ||
	    errno != ECONNREFUSED)
		return rj_fail(err, -EADDRINUSE,
			       "%s: somebody listens there, wanted a free name",
			       what);
	(void)unlink(path);
	return 0;
}

static int bind_to(int fd, const struct sockaddr_un *address, const char *what,
		   struct ramjet_error *err)
{
	const struct sockaddr *any = (const struct sockaddr *)address;
	int rc;

	if (!bind(fd, any, sizeof(*address)))
		return 0;
	if (errno != EADDRINUSE)
		return rj_fail_wanted(err, -errno,
				      "a free name in a folder that is there",
				      "%s", what);
	rc = remove_stale(address, what, err);
	if (!rc && bind(fd, any, sizeof(*address)))
		rc = rj_fail_wanted(err, -errno,
				    "a free name in a folder that is there",
				    "%s", what);
	return rc;
}

static int listen_at(int fd, const struct sockaddr_un *address,
		     const char *what, struct rj_socket_file *file,
		     struct ramjet_error *err)
{
	RJ_UNUSED rj_autoclose int lock = lock_folder(address->sun_path);
	struct stat status;
	int rc = bind_to(fd, address, what, err);

	if (rc)
		return rc;
	if (!lstat(address->sun_path, &status)) {
		file->device = status.st_dev;
		file->inode = status.st_ino;
	}
	if (listen(fd, SOMAXCONN)) {
		rc = rj_fail_errno(err, -errno, "%s: listen", what);
		(void)unlink(address->sun_path);
		return rc;
	}
	/* Without it, what is left is the number of the inode. */
	file->fd = open(address->sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return 0;
}

int rj_socket_file_listen(const char *path, const char *what,
			  struct rj_socket_file *ret, struct ramjet_error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct rj_socket_file file = { 0 };
	rj_autoclose int fd = -1;
	int rc;

	if (strlen(path) >= sizeof(address.sun_path))
		return rj_fail(err, -ENAMETOOLONG,
			       "%s: the socket's path has %zu bytes, at most "
			       "%zu are possible",
			       what, strlen(path),
			       sizeof(address.sun_path) - 1);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	(void)snprintf(file.path, sizeof(file.path), "%s", path);
	fd = open_socket();
	/* Linux gives the file the socket's own mode, less the umask: there is
	 * no moment at which others could connect. */
	if (fd < 0)
		return rj_fail_wanted(err, fd, "a socket", "%s", what);
	if (fchmod(fd, S_IRUSR | S_IWUSR))
		return rj_fail_errno(err, -errno, "%s: mode", what);
	rc = listen_at(fd, &address, what, &file, err);
	if (rc)
		return rc;
	*ret = file;
	return rj_steal_fd(&fd);
}

void rj_socket_file_unlink(struct rj_socket_file *file)
{
	RJ_UNUSED rj_autoclose int lock = -1;
	struct stat status;

	if (!*file->path)
		return;
	lock = lock_folder(file->path);
	if (!lstat(file->path, &status) && S_ISSOCK(status.st_mode) &&
	    status.st_dev == file->device && status.st_ino == file->inode)
		(void)unlink(file->path);
	rj_close_fd(&file->fd);
	*file->path = '\0';
}
