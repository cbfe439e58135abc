/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_SOCKET_FILE_H
#define RJ_UTIL_SOCKET_FILE_H
/*
 * The file of a listening unix socket. A listener that died leaves its file
 * behind, and bind() refuses the name. The file is stale when connecting to it
 * is refused. Two starting listeners could each take the other for dead
 * between bind() and listen(), and one that ends could remove the file of the
 * next: so each looks and acts under a lock on the folder.
 */
#include <sys/types.h>
#include <sys/un.h>

#include "ramjet.h"
#include "util/compiler.h"

struct rj_socket_file {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "": none */
	dev_t device;
	ino_t inode;
	int fd; /* O_PATH: as long as it is open, no other file is that inode */
};

/* A stream socket that listens on `path`, for this user alone (mode 0600),
 * non-blocking; a stale file is replaced. Returns the descriptor. `what` begins
 * messages: "monitor /run/x". */
RJ_NODISCARD int rj_socket_file_listen(const char *path, const char *what,
				       struct rj_socket_file *ret,
				       struct ramjet_error *err);
/* Remove the file, unless another has its name by now. Call it while the
 * socket still listens. Safe on one that was never made, and twice. */
void rj_socket_file_unlink(struct rj_socket_file *file);
#endif
