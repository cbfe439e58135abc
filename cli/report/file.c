/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/report/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/base/json_text.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Devices are not locked or cut: /dev/null is shared by all. */
static bool is_same_file(const char *path, int fd)
{
	struct stat named, open;

	return !stat(path, &named) && !fstat(fd, &open) &&
	       !S_ISCHR(named.st_mode) && named.st_dev == open.st_dev &&
	       named.st_ino == open.st_ino;
}

static int take_stream(int fd, struct rj_cli_report_file *file,
		       struct ramjet_error *err)
{
	(void)fflush(stdout);
	file->in_row = file->has_reader = true;
	file->place.in_place = true;
	file->place.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (file->place.fd < 0 ||
	    (fd == STDOUT_FILENO && dup2(STDERR_FILENO, STDOUT_FILENO) < 0))
		return rj_fail_errno(err, -errno, "--json %s: %s", file->path,
				     fd == STDOUT_FILENO ? "standard output"
							 : "standard error");
	return 0;
}

static int open_path(struct rj_cli_report_file *file, struct ramjet_error *err)
{
	struct ramjet_error error = { 0 };
	/* Non-blocking, or a named pipe would wait for its reader here. */
	int rc = rj_beside_open(file->path, O_WRONLY | O_NONBLOCK, 0,
				&file->place, &error);

	file->has_reader = rc == -ENXIO || file->place.in_place;
	if (rc == -ENXIO) /* which has no reader yet */
		return 0;
	if (rc)
		return rj_fail(err, rc, "--json %s", error.message);
	if (!file->place.in_place)
		rj_beside_abandon(&file->place);
	return 0;
}

int rj_cli_report_open(const char *path, struct rj_cli_report_file *ret,
		       struct ramjet_error *err)
{
	struct rj_cli_report_file file = RJ_CLI_REPORT_FILE_NONE;
	int rc;

	file.path = path;
	if (!strcmp(path, "-") || is_same_file(path, STDOUT_FILENO))
		rc = take_stream(STDOUT_FILENO, &file, err);
	else if (is_same_file(path, STDERR_FILENO))
		rc = take_stream(STDERR_FILENO, &file, err);
	else
		rc = open_path(&file, err);
	if (rc) {
		rj_cli_report_close(&file);
		return rc;
	}
	*ret = file;
	return 0;
}

static int write_all(int fd, const char *text, size_t bytes)
{
	while (bytes) {
		struct pollfd room = { .fd = fd, .events = POLLOUT };
		ssize_t wrote = write(fd, text, bytes);

		if (wrote < 0 && errno == EAGAIN)
			(void)poll(&room, 1, -1);
		else if (wrote == 0 || (wrote < 0 && errno != EINTR))
			return wrote < 0 ? -errno : -EIO;
		if (wrote > 0) {
			text += wrote;
			bytes -= (size_t)wrote;
		}
	}
	return 0;
}

static int write_text(struct rj_cli_report_file *file, const char *text)
{
	struct stat status;
	int rc = 0;

	/* A pipe or a terminal can't be cut, and needn't be. */
	if (file->place.in_place && !file->in_row &&
	    !fstat(file->place.fd, &status) && S_ISREG(status.st_mode) &&
	    ftruncate(file->place.fd, 0))
		rc = -errno;
	if (!rc)
		rc = write_all(file->place.fd, text, strlen(text));
	return rc ? rc : write_all(file->place.fd, "\n", 1);
}

int rj_cli_report_write(struct rj_cli_report_file *file, const json_t *object,
			struct ramjet_error *err)
{
	rj_autofree char *text =
		object ? rj_json_dump(object, JSON_INDENT(2)) : NULL;
	struct ramjet_error error = { 0 };
	int rc = 0;

	if (!text)
		return rj_fail(err, -ENOMEM, "--json: out of memory");
	if (file->place.fd < 0)
		rc = rj_beside_open(file->path, O_WRONLY, 0, &file->place,
				    &error);
	if (!rc) {
		rc = write_text(file, text);
		if (rc)
			rc = rj_fail_errno(&error, rc, "%s: write", file->path);
	}
	if (rc) {
		rj_beside_abandon(&file->place);
	} else {
		rc = rj_beside_commit(&file->place, &error);
		rj_beside_keep(&file->place);
	}
	if (!rc)
		return 0;
	return rj_fail(err, rc, "--json %s", error.message);
}

void rj_cli_report_close(struct rj_cli_report_file *file)
{
	rj_beside_abandon(&file->place);
}
