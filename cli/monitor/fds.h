/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_FDS_H
#define RJ_CLI_MONITOR_FDS_H
/* Descriptors that came through the monitor, by name. One thread. */
#include "ramjet.h"
#include "util/compiler.h"

#define RJ_CLI_FDS_MAX       32u
#define RJ_CLI_FD_NAME_BYTES 64u

struct rj_cli_fds {
	unsigned count;
	struct {
		char name[RJ_CLI_FD_NAME_BYTES];
		int fd;
	} rows[RJ_CLI_FDS_MAX];
};

/* All zero is empty. */
void rj_cli_fds_done(struct rj_cli_fds *fds);
/* *fd is *taken* on success; one of the same name is closed. */
RJ_NODISCARD int rj_cli_fds_add(struct rj_cli_fds *fds, const char *name,
				int *fd, struct ramjet_error *err);
RJ_NODISCARD int rj_cli_fds_close(struct rj_cli_fds *fds, const char *name,
				  struct ramjet_error *err);
/* The descriptor, *returned*: it has no name any more. */
RJ_NODISCARD int rj_cli_fds_take(struct rj_cli_fds *fds, const char *name,
				 struct ramjet_error *err);
#endif
