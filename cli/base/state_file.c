/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/base/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/beside.h"
#include "util/cleanup.h"
#include "util/error.h"

#define ROOM_FIRST 65536u

static ssize_t read_some(int fd, void *into, size_t bytes)
{
	ssize_t got;

	do {
		got = read(fd, into, bytes);
	} while (got < 0 && errno == EINTR);
	return got;
}

static int read_whole(int fd, size_t max, void **ret_data, size_t *ret_bytes)
{
	rj_autofree uint8_t *data = NULL;
	size_t room = 0, bytes = 0;
	ssize_t got = 1;

	while (got > 0) {
		if (bytes == room) {
			size_t more = room ? room * 2 : ROOM_FIRST;
			void *grown = realloc(data, more);

			if (!grown)
				return -ENOMEM;
			data = grown;
			room = more;
		}
		got = read_some(fd, data + bytes, room - bytes);
		if (got < 0)
			return -errno;
		bytes += (size_t)got;
		if (bytes > max)
			return -EFBIG;
	}
	*ret_data = rj_steal(data);
	*ret_bytes = bytes;
	return 0;
}

int rj_cli_state_file_read(const char *path, size_t max, void **ret_data,
			   size_t *ret_bytes, struct ramjet_error *err)
{
	rj_autoclose int fd = -1;
	int rc;

	if (!strcmp(path, "-"))
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return rj_fail_errno(err, -errno, "%s", path);
	rc = read_whole(fd, max, ret_data, ret_bytes);
	if (rc == -EFBIG)
		return rj_fail(err, rc,
			       "%s: more than %zu bytes, which is the "
			       "limit",
			       path, max);
	return rc < 0 ? rj_fail_errno(err, rc, "%s: reading", path) : 0;
}

static int write_whole(int fd, const void *data, size_t bytes)
{
	const uint8_t *at = data;

	while (bytes) {
		ssize_t put = write(fd, at, bytes);

		if (put < 0 && errno != EINTR)
			return -errno;
		if (put > 0) {
			at += put;
			bytes -= (size_t)put;
		}
	}
	return 0;
}

int rj_cli_state_file_write(const char *path, const void *data, size_t bytes,
			    struct ramjet_error *err)
{
	struct rj_beside file = RJ_BESIDE_NONE;
	int rc;

	if (!strcmp(path, "-")) {
		(void)fflush(stdout);
		rc = write_whole(STDOUT_FILENO, data, bytes);
		return rc < 0 ? rj_fail_errno(err, rc, "standard output") : 0;
	}
	rc = rj_beside_open(path, O_WRONLY | O_TRUNC, 0600, &file, err);
	if (rc < 0)
		return rc;
	rc = write_whole(file.fd, data, bytes);
	if (rc < 0) {
		rj_beside_abandon(&file);
		return rj_fail_errno(err, rc, "%s: writing", path);
	}
	rc = rj_beside_commit(&file, err);
	rj_beside_keep(&file);
	return rc;
}
