/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/guest/own_file.h"

#include <errno.h>
#include <sys/stat.h>

#include "util/error.h"

static bool is_same(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
		return a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int rj_stream_claim(const struct ramjet_guest *guest, struct rj_conn *conn,
		    struct ramjet_error *err)
{
	const int fd = rj_conn_content(conn);
	struct stat stream, memory;
	char name[288];

	if (fd < 0)
		return 0;
	rj_conn_describe(conn, name, sizeof(name));
	if (fstat(fd, &stream))
		return rj_fail_errno(err, -errno, "%s: fstat", name);
	for (unsigned i = 0; i < guest->block_count; i++) {
		const struct rj_block *block = &guest->blocks[i];

		if (block->fd < 0 || fstat(block->fd, &memory) ||
		    !is_same(&stream, &memory))
			continue;
		return rj_fail(err, -EBUSY,
			       "%s: is the memory of the guest itself (block "
			       "%s), wanted another file",
			       name, block->name);
	}
	return rj_conn_lock(conn, err);
}
