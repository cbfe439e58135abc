/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_URI_H
#define RJ_RINGIO_URI_H
/* Addresses: tcp:HOST:PORT (HOST may be [v6], a name, or empty = any on the
 * target / localhost on the source), unix:PATH, vsock:CID:PORT, fd:N,
 * exec:COMMAND, file:PATH. */
#include <stdbool.h>
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"

enum rj_uri_scheme {
	RJ_URI_TCP,
	RJ_URI_UNIX,
	RJ_URI_VSOCK,
	RJ_URI_FD,
	RJ_URI_EXEC,
	RJ_URI_FILE,
	RJ_URI_VMM, /* connections of the VMM's own: not to be parsed */
};

/* As the kernel's PATH_MAX; commands may be as long. */
#define RJ_URI_TEXT_MAX 4096u

struct rj_uri {
	enum rj_uri_scheme scheme;
	char host[256]; /* tcp, without brackets */
	uint16_t port;  /* tcp */
	uint32_t cid, vsock_port;
	int fd;
	char path
		[RJ_URI_TEXT_MAX]; /* unix, file; exec: the command; vmm: name */
	bool single;               /* vmm: there is one connection only */
};

RJ_NODISCARD int rj_uri_parse(const char *text, struct rj_uri *ret,
			      struct ramjet_error *err);
/* True for those that can open several connections: tcp, unix, vsock, and vmm
 * unless it is single. */
bool rj_uri_is_multi(const struct rj_uri *uri);
#endif
