/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"

#define LINKS_MAX 40u /* as the kernel follows */
#define TRIES_MAX 64u
#define TEMP_BASE 200 /* bytes of the name that show in the passing one */

/* Where the name is in the end, and what has it now. */
struct place {
	char path[PATH_MAX];
	bool exists;
	bool by_proc; /* a link of /proc: not a name of the file */
	struct stat now;
};

static bool is_on_proc(const char *path)
{
	char copy[PATH_MAX];
	struct statfs filesystem;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	return !statfs(dirname(copy), &filesystem) &&
	       filesystem.f_type == PROC_SUPER_MAGIC;
}

/* One link further. 1: there was one; 0: no link. */
static int follow(struct place *place)
{
	char to[PATH_MAX], folder[PATH_MAX];
	const ssize_t n = readlink(place->path, to, sizeof(to) - 1);
	int length;

	if (n < 0)
		return errno == EINVAL || errno == ENOENT ? 0 : -errno;
	if (is_on_proc(place->path)) {
		place->by_proc = true;
		return 0;
	}
	to[n] = '\0';
	(void)snprintf(folder, sizeof(folder), "%s", place->path);
	if (*to == '/')
		length = snprintf(place->path, sizeof(place->path), "%s", to);
	else
		length = snprintf(place->path, sizeof(place->path), "%s/%s",
				  dirname(folder), to);
	return length < (int)sizeof(place->path) ? 1 : -ENAMETOOLONG;
}

static int find(const char *path, struct place *ret)
{
	const size_t bytes = strlen(path) + 1;
	int rc = 1;

	if (bytes > sizeof(ret->path))
		return -ENAMETOOLONG;
	*ret = (struct place){ 0 };
	memcpy(ret->path, path, bytes);
	ret->exists = !stat(path, &ret->now);
	if (!ret->exists && errno != ENOENT)
		return -errno;
	for (unsigned i = 0; rc > 0; i++)
		rc = i < LINKS_MAX ? follow(ret) : -ELOOP;
	return rc;
}

static bool is_mount_point(const char *path)
{
	struct statx status;

	return !statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &status) &&
	       (status.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* In a folder as /tmp, only its owner and the folder's may replace a file. */
static bool is_sticky(const struct place *place, int folder_fd)
{
	const uid_t us = geteuid();
	struct stat folder;

	return us && !fstat(folder_fd, &folder) && folder.st_mode & S_ISVTX &&
	       folder.st_uid != us && place->now.st_uid != us;
}

static bool must_be_in_place(const struct place *place)
{
	return place->exists && (!S_ISREG(place->now.st_mode) ||
				 place->by_proc || is_mount_point(place->path));
}

static int open_in_place(const char *path, int flags, mode_t mode,
			 struct rj_beside *file, struct ramjet_error *err)
{
	struct stat now;

	file->in_place = true;
	file->fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
	if (file->fd < 0 || fstat(file->fd, &now))
		return rj_fail_errno(err, -errno, "%s: opening it for writing",
				     path);
	/* Best effort: it may be another user's. */
	if (mode && S_ISREG(now.st_mode))
		(void)!fchmod(file->fd, mode);
	return 0;
}

static int open_folder(struct rj_beside *file, struct place *place)
{
	char copy[PATH_MAX];
	const char *base;

	(void)snprintf(copy, sizeof(copy), "%s", place->path);
	base = basename(copy);
	if (strlen(base) > NAME_MAX)
		return -ENAMETOOLONG;
	(void)snprintf(file->name, sizeof(file->name), "%.*s", NAME_MAX, base);
	(void)snprintf(copy, sizeof(copy), "%s", place->path);
	file->folder_fd =
		open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* One that may be used, but not listed. */
	if (file->folder_fd < 0 && errno == EACCES)
		file->folder_fd =
			open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
	return file->folder_fd < 0 ? -errno : 0;
}

static int make_temp(struct rj_beside *file, int flags, mode_t mode)
{
	const int how = (flags & ~O_TRUNC) | O_CREAT | O_EXCL | O_CLOEXEC;

	for (unsigned i = 0; i < TRIES_MAX; i++) {
		unsigned number;

		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -errno;
		(void)snprintf(file->temp, sizeof(file->temp), ".%.*s.%08x.new",
			       TEMP_BASE, file->name, number);
		file->fd = openat(file->folder_fd, file->temp, how,
				  mode ? mode : 0666);
		if (file->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	*file->temp = '\0';
	return -errno;
}

/* The mode is no affair of the umask's where it was asked for. The owner stays
 * who it was, where we may say so. */
static int set_mode(struct rj_beside *file, const struct place *place,
		    mode_t mode)
{
	if (place->exists)
		(void)!fchown(file->fd, place->now.st_uid, place->now.st_gid);
	if (!mode && place->exists)
		mode = place->now.st_mode & 07777;
	return mode && fchmod(file->fd, mode) ? -errno : 0;
}

/* Nothing can be made there, but the file itself can be written. */
static bool is_closed_folder(int rc)
{
	return rc == -EACCES || rc == -EPERM || rc == -EROFS;
}

static int open_beside(struct place *place, const char *path, int flags,
		       mode_t mode, struct rj_beside *file,
		       struct ramjet_error *err)
{
	int rc;

	/* As if it were to be written itself: read-only files stay. */
	if (place->exists) {
		file->old_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC |
						  O_NOCTTY);
		if (file->old_fd < 0)
			return rj_fail_errno(err, -errno,
					     "%s: opening it for writing",
					     path);
	}
	rc = open_folder(file, place);
	if (!rc && place->exists && is_sticky(place, file->folder_fd))
		rc = -EPERM;
	if (!rc)
		rc = make_temp(file, flags, mode);
	if (is_closed_folder(rc) && place->exists) {
		rj_close_fd(&file->old_fd);
		rj_close_fd(&file->folder_fd);
		return open_in_place(path, flags, mode, file, err);
	}
	if (!rc)
		rc = set_mode(file, place, mode);
	return rc ? rj_fail_wanted(err, rc, "a folder to write to",
				   "%s: making a file beside it", path)
		  : 0;
}

int rj_beside_open(const char *path, int flags, mode_t mode,
		   struct rj_beside *ret, struct ramjet_error *err)
{
	struct rj_beside file = RJ_BESIDE_NONE;
	struct place place;
	int rc = find(path, &place);

	if (rc)
		return rj_fail_errno(err, rc, "%s: opening it for writing",
				     path);
	if (must_be_in_place(&place))
		rc = open_in_place(path, flags, mode, &file, err);
	else
		rc = open_beside(&place, path, flags, mode, &file, err);
	if (rc) {
		rj_beside_abandon(&file);
		return rc;
	}
	(void)snprintf(file.path, sizeof(file.path), "%s", path);
	*ret = file;
	return 0;
}

/* EINVAL and the like: nothing there that could be put on a disk. */
static int sync_fd(int fd)
{
	if (!fsync(fd) || errno == EINVAL || errno == EROFS ||
	    errno == ENOTSUP || errno == EBADF)
		return 0;
	return -errno;
}

int rj_beside_sync(struct rj_beside *file, struct ramjet_error *err)
{
	if (sync_fd(file->fd))
		return rj_fail_errno(err, -errno, "%s: getting it on disk",
				     file->path);
	file->synced = true;
	return 0;
}

int rj_beside_rename(struct rj_beside *file, struct ramjet_error *err)
{
	if (!file->in_place && *file->temp &&
	    renameat(file->folder_fd, file->temp, file->folder_fd, file->name))
		return rj_fail_errno(err, -errno,
				     "%s: giving its name to %s, which holds "
				     "all of it",
				     file->path, file->temp);
	*file->temp = '\0';
	return 0;
}

int rj_beside_commit(struct rj_beside *file, struct ramjet_error *err)
{
	int rc = file->synced ? 0 : rj_beside_sync(file, err);

	if (!rc)
		rc = rj_beside_rename(file, err);
	if (rc)
		return rc;
	if (!file->in_place && sync_fd(file->folder_fd))
		return rj_fail_errno(err, -errno,
				     "%s: getting its name on disk",
				     file->path);
	rj_beside_keep(file);
	return 0;
}

void rj_beside_abandon(struct rj_beside *file)
{
	if (*file->temp)
		(void)unlinkat(file->folder_fd, file->temp, 0);
	rj_beside_keep(file);
}

void rj_beside_keep(struct rj_beside *file)
{
	*file->temp = '\0';
	rj_close_fd(&file->fd);
	rj_close_fd(&file->old_fd);
	rj_close_fd(&file->folder_fd);
}
