/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_ENDPOINT_H
#define RJ_RINGIO_ENDPOINT_H
/*
 * Connections: making them, accepting them, tuning them. Every wait has a
 * deadline and ends early when `wake_fd` (an eventfd, or -1) becomes
 * readable, with -ECANCELED. All fds are CLOEXEC and non-blocking.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "ramjet.h"
#include "ringio/conn_ops.h"
#include "ringio/uri.h"
#include "util/compiler.h"
#include "util/socket_file.h"

enum rj_conn_kind {
	RJ_CONN_TCP,
	RJ_CONN_UNIX,
	RJ_CONN_VSOCK,
	RJ_CONN_SOCKET, /* an fd: that is some other stream socket */
	RJ_CONN_PIPE,   /* one way */
	RJ_CONN_FILE,   /* one way, a regular file */
	RJ_CONN_OTHER,  /* not bare: see ringio/conn_ops.h */
};

struct rj_command;
struct rj_file;

/* May be copied: each copy is the same connection, which is closed once. */
struct rj_conn {
	int fd; /* of a bare connection; -1: none */
	enum rj_conn_kind kind;
	const struct rj_conn_ops *ops; /* NULL: closed */
	struct rj_command *command;    /* exec:; NULL otherwise */
	struct rj_file *file; /* file:, and fd: of a file; NULL otherwise */
	void *own;            /* its operations' */
};
#define RJ_CONN_NONE     \
	{                \
		.fd = -1 \
	}

/* How often a connection that has no descriptor to poll is tried again. Chosen:
 * short beside the round trips of a migration, long for a CPU. */
#define RJ_CONN_LOOK_NS UINT64_C(1000000)

static inline bool rj_conn_is_open(const struct rj_conn *conn)
{
	return conn->ops != NULL;
}

/* It is a descriptor and nothing more: system calls may be used on it. */
static inline bool rj_conn_is_bare(const struct rj_conn *conn)
{
	return conn->ops && conn->ops->bare;
}

static inline bool rj_conn_is_socket(const struct rj_conn *conn)
{
	return conn->kind <= RJ_CONN_SOCKET;
}

/* Both sides can send. */
static inline bool rj_conn_is_two_way(const struct rj_conn *conn)
{
	return conn->ops && conn->ops->two_way;
}

/* A bare connection that owns `fd`, which must be non-blocking. */
struct rj_conn rj_conn_bare(int fd, enum rj_conn_kind kind);

/* Open one connection to the target. deadline_ns on the rj_now_ns() scale,
 * 0 = none. exec: starts /bin/sh -c COMMAND with its stdin on the pipe.
 * file: writes beside the file that is to be replaced. tcp: tries every
 * address of the name, side by side. */
RJ_NODISCARD int rj_connect(const struct rj_uri *uri, uint64_t deadline_ns,
			    int wake_fd, struct rj_conn *ret,
			    struct ramjet_error *err);

/* One more connection, to where `first` went, whatever kind it is: a name may
 * mean another host the next time it is looked up. */
RJ_NODISCARD int rj_connect_beside(const struct rj_conn *first,
				   const struct rj_uri *uri,
				   uint64_t deadline_ns, int wake_fd,
				   struct rj_conn *ret,
				   struct ramjet_error *err);

/* The same, where it is known (rj_conn_peer()) and `first` may be gone; what is
 * not TCP has a URI that says it all. */
RJ_NODISCARD int rj_connect_to(const struct sockaddr_storage *peer,
			       socklen_t peer_bytes, const struct rj_uri *uri,
			       uint64_t deadline_ns, int wake_fd,
			       struct rj_conn *ret, struct ramjet_error *err);

/* The other end of a one-way or single-connection URI (fd:, exec:, file:):
 * reads. exec: COMMAND's stdout is the stream. */
RJ_NODISCARD int rj_open_incoming(const struct rj_uri *uri, struct rj_conn *ret,
				  struct ramjet_error *err);

/* Addresses of one name that are listened on; further ones are not. Chosen; and
 * as long as an address of any of them is. */
#define RJ_LISTENER_SOCKETS_MAX 16u
#define RJ_LISTENER_URI_MAX     96u

struct rj_listener {
	/* readable when a connection waits; of several sockets an epoll. -1:
	 * closed */
	int fd;
	enum rj_conn_kind kind;
	unsigned socket_count;
	int sockets[RJ_LISTENER_SOCKETS_MAX];
	char bound_uri[512];        /* of the first, as it was bound */
	struct rj_socket_file file; /* unix: removed on close */
	char more_uris[RJ_LISTENER_SOCKETS_MAX - 1][RJ_LISTENER_URI_MAX];
};
/* tcp (all addresses of the name), unix (mode 0600; a stale socket file nobody
 * listens on is replaced), vsock. */
RJ_NODISCARD int rj_listen(const struct rj_uri *uri, struct rj_listener *ret,
			   struct ramjet_error *err);
/* The same; a name takes no longer than this to be looked up. */
RJ_NODISCARD int rj_listen_until(const struct rj_uri *uri, uint64_t deadline_ns,
				 int wake_fd, struct rj_listener *ret,
				 struct ramjet_error *err);
RJ_NODISCARD int rj_accept(struct rj_listener *listener, uint64_t deadline_ns,
			   int wake_fd, struct rj_conn *ret,
			   struct ramjet_error *err);
void rj_listener_close(struct rj_listener *listener);

/* The file that the stream is, or will take the place of; borrowed. -1: none,
 * or no such file yet. */
int rj_conn_content(const struct rj_conn *conn);
/* Lock a file until it is closed: shared for reading, exclusive for writing.
 * -EAGAIN when another process has it. */
RJ_NODISCARD int rj_conn_lock(struct rj_conn *conn, struct ramjet_error *err);
/* A named pipe that is read: wait until a writer has opened it. Before, reading
 * would find its end. 0, or -ECANCELED. */
RJ_NODISCARD int rj_conn_await_writer(const struct rj_conn *conn, int wake_fd,
				      struct ramjet_error *err);
/* Files, written in place: what is there from here on goes. Or a stream that
 * ends early could go on with an older one's frames, and look whole. */
RJ_NODISCARD int rj_conn_begin(struct rj_conn *conn, struct ramjet_error *err);
/* True when what is written gets its name only by rj_conn_publish(). */
bool rj_conn_is_held_back(const struct rj_conn *conn);
/*
 * What was written to a file is all there, nothing behind it, and on disk on
 * return; a pipe still has a reader (-EPIPE); nothing to do for
 * others. `sent_bytes` is what a channel that still lives has moved. Takes as long as the disk does, whatever happens
 * meanwhile.
 */
RJ_NODISCARD int rj_conn_sync(struct rj_conn *conn, uint64_t sent_bytes,
			      struct ramjet_error *err);
/* Held back, and synced: what was written takes its place, and the connection
 * is closed. On failure it stays beside; the message says where. */
RJ_NODISCARD int rj_conn_publish(struct rj_conn *conn,
				 struct ramjet_error *err);

/* Close; exec: also wait for the command. Returns 0, or -EPIPE when the command
 * failed (message says how). Safe on a closed conn. A command that does not end
 * before deadline_ns is killed with all it started (-ETIMEDOUT). */
int rj_conn_close(struct rj_conn *conn, uint64_t deadline_ns,
		  struct ramjet_error *err);
/* The same; wake_fd ends a command as the deadline does (-ECANCELED). */
int rj_conn_finish(struct rj_conn *conn, uint64_t deadline_ns, int wake_fd,
		   struct ramjet_error *err);

/* Receive what is there, without waiting: the number of bytes; 0 at the end;
 * -EAGAIN when there is nothing yet; or another errno. */
RJ_NODISCARD ssize_t rj_conn_receive(const struct rj_conn *conn, void *data,
				     size_t bytes);
/*
 * An entry for poll(), to wait until `events` (POLLIN, POLLOUT) are worth
 * another try. *timeout_ms, the longest to wait (-1: for ever), is lowered where
 * the descriptor does not tell: try again then, whatever poll() has said.
 */
struct pollfd rj_conn_pollfd(const struct rj_conn *conn, short events,
			     int *timeout_ms);
/* The same with a deadline and a wake_fd, as rj_wait_fd(). */
RJ_NODISCARD int rj_conn_wait(const struct rj_conn *conn, short events,
			      uint64_t deadline_ns, int wake_fd);
/* Tell the peer that nothing more will be sent. It may still send. */
void rj_conn_shut_down(const struct rj_conn *conn);
/* Give it up, while another thread sends or receives: that fails at once, and what
 * was under way is thrown away. It is still to be closed. */
void rj_conn_abort(const struct rj_conn *conn);
/* A socket whose peer has closed it, or reset it. */
bool rj_conn_is_hung_up(const struct rj_conn *conn);
/* The address where it goes. 0, -EAFNOSUPPORT when it goes to none, or another
 * errno. */
RJ_NODISCARD int rj_conn_peer(const struct rj_conn *conn,
			      struct sockaddr_storage *ret,
			      socklen_t *ret_bytes);
/* Bytes sent that the peer's machine has not acknowledged; 0 when unknown. */
uint64_t rj_conn_outstanding(const struct rj_conn *conn);

/* Whole-buffer transfer, for handshakes and control: 0, -ECANCELED,
 * -ETIMEDOUT, -ENODATA (clean EOF at byte 0), -EPIPE (EOF in the middle), or
 * another errno. */
RJ_NODISCARD int rj_send_all(const struct rj_conn *conn, const void *data,
			     size_t bytes, uint64_t deadline_ns, int wake_fd);
RJ_NODISCARD int rj_recv_all(const struct rj_conn *conn, void *data,
			     size_t bytes, uint64_t deadline_ns, int wake_fd);
/* "tcp 127.0.0.1:4000 -> 127.0.0.1:5000" and the like, for messages. */
void rj_conn_describe(const struct rj_conn *conn, char *buffer, size_t bytes);
#endif
