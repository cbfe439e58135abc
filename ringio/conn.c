/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "ringio/address.h"
#include "ringio/endpoint.h"
#include "ringio/exec.h"
#include "ringio/file.h"
#include "ringio/wait.h"
#include "util/cleanup.h"
#include "util/error.h"

int rj_conn_close(struct rj_conn *conn, uint64_t deadline_ns,
		  struct ramjet_error *err)
{
	return rj_conn_finish(conn, deadline_ns, -1, err);
}

int rj_conn_finish(struct rj_conn *conn, uint64_t deadline_ns, int wake_fd,
		   struct ramjet_error *err)
{
	struct rj_command *command = conn->command;

	rj_file_close(conn);
	/* Close the pipe first: a command that reads until its end would wait
	 * for ever. */
	rj_close_fd(&conn->fd);
	conn->command = NULL;
	return command ? rj_exec_finish(command, deadline_ns, wake_fd, err) : 0;
}

typedef int name_fn(int fd, struct sockaddr *address, socklen_t *bytes);

static void format_end(name_fn *name, int fd, char *text, size_t size)
{
	socklen_t bytes = sizeof(struct sockaddr_storage);
	union rj_address address;

	if (name(fd, &address.any, &bytes))
		(void)snprintf(text, size, "unknown");
	else
		rj_address_format(&address, bytes, text, size);
}

static void describe_socket(const struct rj_conn *conn, char *buffer,
			    size_t bytes)
{
	static const char *const kinds[] = {
		[RJ_CONN_TCP] = "tcp",
		[RJ_CONN_UNIX] = "unix",
		[RJ_CONN_VSOCK] = "vsock",
		[RJ_CONN_SOCKET] = "socket",
	};
	char here[RJ_ADDRESS_TEXT_MAX], there[RJ_ADDRESS_TEXT_MAX];

	format_end(getsockname, conn->fd, here, sizeof(here));
	format_end(getpeername, conn->fd, there, sizeof(there));
	(void)snprintf(buffer, bytes, "%s %s -> %s", kinds[conn->kind], here,
		       there);
}

void rj_conn_describe(const struct rj_conn *conn, char *buffer, size_t bytes)
{
	if (conn->fd < 0)
		(void)snprintf(buffer, bytes, "closed");
	else if (rj_conn_is_socket(conn))
		describe_socket(conn, buffer, bytes);
	else if (conn->command)
		(void)snprintf(buffer, bytes, "exec process %d",
			       rj_exec_pid(conn->command));
	else if (conn->kind == RJ_CONN_PIPE && !rj_file_path(conn))
		(void)snprintf(buffer, bytes, "pipe fd %d", conn->fd);
	else
		rj_file_describe(conn, buffer, bytes);
}

int rj_conn_content(const struct rj_conn *conn)
{
	return conn->kind == RJ_CONN_FILE ? rj_file_content(conn) : -1;
}

int rj_conn_await_writer(const struct rj_conn *conn, int wake_fd,
			 struct ramjet_error *err)
{
	int rc;

	/* Only named pipes are waited for: one that was given has had its
	 * writer. */
	if (conn->kind != RJ_CONN_PIPE || !conn->file)
		return 0;
	rc = rj_wait_fd(conn->fd, POLLIN, 0, wake_fd);
	return rc ? rj_fail_errno(err, rc, "named pipe: waiting for a writer")
		  : 0;
}

int rj_conn_lock(struct rj_conn *conn, struct ramjet_error *err)
{
	return conn->kind == RJ_CONN_FILE ? rj_file_lock(conn, err) : 0;
}

int rj_conn_begin(struct rj_conn *conn, struct ramjet_error *err)
{
	return conn->kind == RJ_CONN_FILE ? rj_file_begin(conn, err) : 0;
}

bool rj_conn_is_held_back(const struct rj_conn *conn)
{
	return rj_file_is_held_back(conn);
}

/* A pipe takes what fits into it even if it will never be read: so ask whether
 * it still has a reader. */
static int check_reader(const struct rj_conn *conn, struct ramjet_error *err)
{
	struct pollfd reader = { .fd = conn->fd, .events = POLLOUT };
	char name[288];

	if (poll(&reader, 1, 0) <= 0 || !(reader.revents & POLLERR))
		return 0;
	rj_conn_describe(conn, name, sizeof(name));
	return rj_fail(err, -EPIPE, "%s: has no reader any more, want one",
		       name);
}

int rj_conn_sync(struct rj_conn *conn, uint64_t sent_bytes,
		 struct ramjet_error *err)
{
	if (conn->kind == RJ_CONN_PIPE)
		return check_reader(conn, err);
	return conn->kind == RJ_CONN_FILE ? rj_file_sync(conn, sent_bytes, err)
					  : 0;
}

int rj_conn_publish(struct rj_conn *conn, struct ramjet_error *err)
{
	return conn->kind == RJ_CONN_FILE ? rj_file_publish(conn, err) : 0;
}
