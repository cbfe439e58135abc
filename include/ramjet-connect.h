/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RAMJET_CONNECT_H
#define RAMJET_CONNECT_H
/*
 * For VMMs that make their connections themselves: with a TLS library, through a
 * proxy or a multiplexer, or with descriptors that a management layer or a
 * jailer has handed in (docs/embedding.md). Instead of a URI, the source asks a
 * connector for each connection, and the target is given them. The rules are
 * ramjet.h's.
 */
#include <sys/types.h>
#include <sys/uio.h>

#include "ramjet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a connection ------------------------------------------------------- */

/*
 * A connection that is no bare socket: a stream of bytes both ways, in order,
 * none lost and none doubled. All of these get the connection's `user`, and
 * none may wait, nor call anything of ramjet's that waits.
 *
 * Threads: one sends while another receives; never two the same. `close` comes
 * last, when no other call is under way. The threads are the migration's, with
 * its CPUs (ramjet_params.cpus), stacks of 512 KiB and all signals blocked, so
 * that a SIGPIPE does no harm.
 */
struct ramjet_connection_ops {
	size_t size;
	/*
	 * The number of bytes moved, at least 1; -EAGAIN when none can be now;
	 * another negative errno when the connection is broken. What is sent may
	 * be memory of the running guest, which changes meanwhile: read each
	 * byte once. Of what was not moved, the next call begins anew, perhaps
	 * at other addresses and with other bytes.
	 */
	ssize_t (*send)(void *user, const struct iovec *iov, unsigned count);
	/* The same; 0: the peer sends nothing more. */
	ssize_t (*receive)(void *user, const struct iovec *iov, unsigned count);
	/* All memory of the connection is freed, and its peer sees the end.
	 * What was sent before still arrives. Called once. */
	void (*close)(void *user);
	/* The rest may be NULL. */

	/* The descriptor to poll() after -EAGAIN. *events is POLLIN or POLLOUT,
	 * what ramjet wants to do; it may be changed to what must be polled for
	 * first, as TLS may want to write before it can read. -1 or NULL: there
	 * is none, and it is tried again every millisecond. */
	int (*poll_fd)(void *user, short *events);
	/* Can something be received that poll() does not show, as bytes that are
	 * deciphered already? Asked by who receives. NULL: never. */
	bool (*is_pending)(void *user);
	/* Bytes sent that the peer has not acknowledged: predictions are better
	 * with it. NULL: unknown, counts as none. */
	uint64_t (*outstanding)(void *user);
	/* Tell the peer that nothing more will be sent; receiving goes on.
	 * NULL: not possible. */
	void (*shut_down)(void *user);
	/* "tls 10.0.0.1:4000 -> 10.0.0.2:5000", for messages: at most `bytes`
	 * with the final 0. NULL: "connection of the VMM". */
	void (*describe)(void *user, char *buffer, size_t bytes);
};
#define RAMJET_CONNECTION_OPS_INIT .size = sizeof(struct ramjet_connection_ops)

/* A descriptor, or operations. */
struct ramjet_connection {
	size_t size;
	/* A connected stream socket: TCP, unix, vsock or another. Is made
	 * non-blocking. The fast paths (io_uring, zero copy, the kernel's pacing
	 * and figures) are as good as with a URI. -1: none. */
	int fd;
	/* Target: refused when it has not said who it is so long after it was
	 * given, as one from a stranger may. 0: no limit. */
	uint32_t hello_timeout_ms;
	/* Copied. NULL: none. */
	const struct ramjet_connection_ops *ops;
	void *user; /* of `ops`; borrowed until `close` returns */
};
#define RAMJET_CONNECTION_INIT \
	.size = sizeof(struct ramjet_connection), .fd = -1

/* ---- the source asks ---------------------------------------------------- */

/* The control link comes first, alone; the channels follow one after the other
 * once the target has said how many it takes. */
#define RAMJET_CONNECT_CONTROL (-1)

struct ramjet_connect_request {
	size_t size;
	int32_t channel; /* 0, 1, ..., or RAMJET_CONNECT_CONTROL */
	/* How many channels there will be; for the control link: at most. */
	uint32_t channel_count;
	/* What is left of connect_timeout_ms and total_timeout_ms. 0: no
	 * limit. */
	uint32_t timeout_ms;
	/* When this can be read from, give up: the migration was cancelled, or
	 * has failed. Not to be read or closed; borrowed until return. */
	int cancel_fd;
};

enum ramjet_connector_flags {
	/* It has one connection, which carries everything: the only request is
	 * for RAMJET_CONNECT_CONTROL. */
	RAMJET_CONNECTOR_SINGLE = 1 << 0,
};

struct ramjet_connector {
	size_t size;
	/* For reports and errors: "vmm:NAME". Copied, up to 200 bytes. NULL:
	 * "vmm:" alone. */
	const char *name;
	/*
	 * A connection for this request, *taken* from a return of 0 on, whatever
	 * becomes of it, unless it is none: one with both descriptor and
	 * operations, or neither, without `send` or `receive`, or of a size that
	 * is not known, fails the migration and is left alone.
	 * *ret is set up as with ramjet_connection_init().
	 * Otherwise a negative errno, and the migration has failed with it, or
	 * was cancelled. Called by the control thread as guest operations are.
	 * It may wait; until it returns, so do a cancel and
	 * ramjet_migration_free(): so mind `timeout_ms` and `cancel_fd`.
	 */
	int (*connect)(void *user, const struct ramjet_connect_request *request,
		       struct ramjet_connection *ret, struct ramjet_error *err);
	void *user;     /* borrowed until ramjet_migration_free() */
	uint64_t flags; /* enum ramjet_connector_flags */
};
#define RAMJET_CONNECTOR_INIT .size = sizeof(struct ramjet_connector)

/* As ramjet_migrate(), over these connections. `connector` is copied. */
int ramjet_migrate_over(struct ramjet_guest *guest,
			const struct ramjet_connector *connector,
			const struct ramjet_params *params,
			struct ramjet_migration **ret,
			struct ramjet_error *err);

/* ---- the target is given ------------------------------------------------ */

/* As ramjet_incoming(), but listens nowhere: ramjet_incoming_give() brings the
 * connections. ramjet_listen_uri() is "vmm:NAME"; `name` as in
 * ramjet_connector. */
int ramjet_incoming_over(struct ramjet_guest *guest, const char *name,
			 const struct ramjet_params *params,
			 struct ramjet_migration **ret,
			 struct ramjet_error *err);

/*
 * Give it a connection of any use: what it says first tells whether it is the
 * control link, which channel it is, or that it is a stranger's, which is
 * refused (a warning in the log) as one that was accepted would be. In any order,
 * also all of them before the source begins; any thread, also in callbacks;
 * waits for nothing. 0: *taken*, whatever becomes of it. On failure it stays the
 * caller's: -EALREADY once the session has all its connections, or has ended
 * (close it); -EBUSY when hundreds that are still silent wait already (later);
 * -EINVAL: no such connection, or no such migration.
 */
int ramjet_incoming_give(struct ramjet_migration *migration,
			 const struct ramjet_connection *connection,
			 struct ramjet_error *err);

/* ---- options, in any language ------------------------------------------- */

void ramjet_connection_ops_init(struct ramjet_connection_ops *o, size_t size);
void ramjet_connection_init(struct ramjet_connection *o, size_t size);
void ramjet_connector_init(struct ramjet_connector *o, size_t size);
#define ramjet_connection_ops_init(o) ramjet_connection_ops_init(o, sizeof *(o))
#define ramjet_connection_init(o)     ramjet_connection_init(o, sizeof *(o))
#define ramjet_connector_init(o)      ramjet_connector_init(o, sizeof *(o))

#ifdef __cplusplus
}
#endif
#endif
