/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/monitor/fds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"

void rj_cli_fds_done(struct rj_cli_fds *fds)
{
	for (unsigned i = 0; i < fds->count; i++)
		rj_close_fd(&fds->rows[i].fd);
	fds->count = 0;
}

/* The row's number, or count. */
static unsigned find(const struct rj_cli_fds *fds, const char *name)
{
	unsigned i = 0;

	while (i < fds->count && strcmp(fds->rows[i].name, name))
		i++;
	return i;
}

static bool is_number(const char *name)
{
	return *name && !name[strspn(name, "+-0123456789")];
}

int rj_cli_fds_add(struct rj_cli_fds *fds, const char *name, int *fd,
		   struct ramjet_error *err)
{
	unsigned at = find(fds, name);

	if (*fd < 0)
		return rj_fail(err, -EINVAL,
			       "No file descriptor supplied via SCM_RIGHTS");
	/* fd:3 must mean one thing. */
	if (!*name || strspn(name, "0123456789") ||
	    strlen(name) >= RJ_CLI_FD_NAME_BYTES)
		return rj_fail(err, -EINVAL,
			       "Parameter 'fdname' expects a name not starting "
			       "with a digit, of at most %u bytes",
			       RJ_CLI_FD_NAME_BYTES - 1);
	if (at == RJ_CLI_FDS_MAX)
		return rj_fail(err, -ENFILE,
			       "There are %u file descriptors already, close "
			       "one first",
			       RJ_CLI_FDS_MAX);
	if (at < fds->count)
		rj_close_fd(&fds->rows[at].fd);
	else
		fds->count++;
	(void)snprintf(fds->rows[at].name, RJ_CLI_FD_NAME_BYTES, "%s", name);
	fds->rows[at].fd = rj_steal_fd(fd);
	return 0;
}

int rj_cli_fds_take(struct rj_cli_fds *fds, const char *name,
		    struct ramjet_error *err)
{
	unsigned at = find(fds, name);
	int fd;

	if (at == fds->count)
		return rj_fail(err, -ENOENT,
			       "File descriptor named '%.100s' not found%s",
			       name,
			       is_number(name) ? ": wanted a name that getfd "
						 "gave, numbers are not looked "
						 "up"
					       : "");
	fd = fds->rows[at].fd;
	fds->rows[at] = fds->rows[--fds->count];
	return fd;
}

int rj_cli_fds_close(struct rj_cli_fds *fds, const char *name,
		     struct ramjet_error *err)
{
	int fd = rj_cli_fds_take(fds, name, err);

	if (fd < 0)
		return fd;
	(void)close(fd);
	return 0;
}
