/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_BESIDE_H
#define RJ_UTIL_BESIDE_H
/*
 * A file written anew: under a passing name in the same folder, which takes
 * the place of the old file only once all is there and on disk. Until then,
 * and if nothing comes of it, the old file is what it was.
 *
 * A symbolic link stays one: it is the file at its end that is replaced. What
 * is no regular file (a named pipe, a device, a terminal) is written in
 * place, and so is a file that cannot be replaced: a mount point of its own,
 * one in a folder where nothing can be made, /proc/self/fd/N.
 */
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

struct rj_beside {
	int fd;     /* to write to; owned, closed by commit and abandon */
	int old_fd; /* the file that has the name so far; -1: none, or `fd` */
	int folder_fd; /* -1 when in place */
	bool in_place;
	char name[NAME_MAX + 1]; /* in the folder */
	char temp[NAME_MAX + 1];
	char path[256]; /* as it was asked for, for messages */
	bool synced;    /* by rj_beside_sync(), and not written to since */
};
#define RJ_BESIDE_NONE                                  \
	{                                               \
		.fd = -1, .old_fd = -1, .folder_fd = -1 \
	}

/*
 * `flags`: O_WRONLY or O_RDWR, and O_NONBLOCK, for the opening; O_TRUNC cuts
 * a regular file that is written in place to nothing, at once. The new file's
 * mode is `mode` exactly, also where the old one had another; 0: the old one's,
 * else what the umask leaves of 0666. An old file must be open to writing for
 * us, as if it were written itself.
 */
RJ_NODISCARD int rj_beside_open(const char *path, int flags, mode_t mode,
				struct rj_beside *ret,
				struct ramjet_error *err);
/* The content is on disk on return: what is left of a commit takes no room. */
RJ_NODISCARD int rj_beside_sync(struct rj_beside *file,
				struct ramjet_error *err);
/* It has its name, in no time, but that and the content need not be on disk: a
 * commit follows. Fails as that does. */
RJ_NODISCARD int rj_beside_rename(struct rj_beside *file,
				  struct ramjet_error *err);
/* Content and name are on disk on return, and `file` closed. In place there is
 * no name to give. On failure it stays as it is: what was written may be all
 * there is, and the message says where; abandon it, or keep it. */
RJ_NODISCARD int rj_beside_commit(struct rj_beside *file,
				  struct ramjet_error *err);
/* Nothing came of it. Safe on RJ_BESIDE_NONE, and after commit. */
void rj_beside_abandon(struct rj_beside *file);
/* Close it, and leave it under its passing name. */
void rj_beside_keep(struct rj_beside *file);
#endif
