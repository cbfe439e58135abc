/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_CHANNEL_H
#define RJ_RINGIO_CHANNEL_H
/*
 * A channel moves gathered and scattered byte vectors over one connection,
 * straight from and to the caller's memory. It knows nothing of frames.
 * Two backends, one interface: io_uring, and plain blocking system calls.
 * A file's own position stays where it was when the channel was made, and is
 * behind the last byte moved when it has been freed.
 *
 * Threads: created, used and freed by one worker thread. Others interrupt its
 * waits through the wake_fd.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "ramjet.h"
#include "ringio/endpoint.h"
#include "ringio/tcp.h"
#include "ringio/zero_copy.h"
#include "util/compiler.h"

/* The kernel's UIO_MAXIOV. */
#define RJ_CHANNEL_IOV_MAX 1024u

struct rj_channel;

struct rj_channel_options {
	enum ramjet_backend backend; /* AUTO: uring, else syscalls */
	/* eventfd: when readable, waits end with -ECANCELED. Borrowed. */
	int wake_fd;
};

/* `conn` is borrowed: the caller closes it after rj_channel_free(). AUTO
 * falls back to system calls where io_uring is refused; rj_channel_backend()
 * and rj_channel_reason() then say so. */
RJ_NODISCARD int rj_channel_new(const struct rj_conn *conn,
				const struct rj_channel_options *options,
				struct rj_channel **ret,
				struct ramjet_error *err);
/* Cancels and reaps what is in flight. NULL ok. */
void rj_channel_free(struct rj_channel *channel);

enum ramjet_backend rj_channel_backend(const struct rj_channel *channel);
/* Why this backend and which ring flags were granted, e.g.
 * "single-issuer, defer-taskrun". Valid while the channel lives. */
const char *rj_channel_reason(const struct rj_channel *channel);

/*
 * Begin sending the bytes of iov[0..count) in order; at most one send is in
 * flight. The iov array and what it points to stay untouched until
 * rj_channel_send_wait() returned (live guest memory excepted). count at most
 * RJ_CHANNEL_IOV_MAX. The syscall backend may do all the work right here.
 */
RJ_NODISCARD int rj_channel_send_start(struct rj_channel *channel,
				       struct iovec *iov, unsigned count);
/* Wait until everything is handed to the kernel. 0 when nothing is in flight.
 * -ECANCELED, -EPIPE, -ECONNRESET, ... */
RJ_NODISCARD int rj_channel_send_wait(struct rj_channel *channel);
/* True while a send is in flight. Lets completions run (cheap; call it now
 * and then in long computations). */
bool rj_channel_send_pending(struct rj_channel *channel);

/* ---- zero copy, see ringio/zero_copy.h ------------------------------- */

bool rj_channel_is_tcp(const struct rj_channel *channel);
/* True when both ends of a TCP connection have the same address: the kernel
 * then always copies, however it is sent. */
bool rj_channel_is_local(const struct rj_channel *channel);
/* Pin [base, base + bytes), writable memory; untouched pages get populated.
 * The buffer's number (0, 1, ...), or -EOPNOTSUPP (connection, backend,
 * kernel), -ENOMEM (memlock limit), -ENOSPC (too many), -EFAULT. */
RJ_NODISCARD int rj_channel_register(struct rj_channel *channel, void *base,
				     size_t bytes);
/* Effective for what is sent from now on; the number may be given again. */
void rj_channel_unregister(struct rj_channel *channel, int buffer);
/*
 * As rj_channel_send_start(), entry i as how[i] says; the array stays
 * untouched as long. Entry i must lie in the buffer that is named. When the
 * kernel refuses zero copy, everything goes plain from there on.
 */
RJ_NODISCARD int rj_channel_send_start_as(struct rj_channel *channel,
					  struct iovec *iov, const int *how,
					  unsigned count);
struct rj_channel_zero_copy rj_channel_zero_copy(
	const struct rj_channel *channel);
/* Wait until the kernel holds no memory of earlier sends: the peer has
 * acknowledged them. No send may be in flight. As rj_channel_send_wait(). */
RJ_NODISCARD int rj_channel_drain(struct rj_channel *channel);

/* ---- either way ------------------------------------------------------ */

/* Receive exactly the bytes of iov (may be modified). 0; -ENODATA on a clean
 * end before the first byte; -EPIPE on an end in the middle; -ECANCELED. */
RJ_NODISCARD int rj_channel_recv(struct rj_channel *channel, struct iovec *iov,
				 unsigned count);

/* Bytes moved so far, either direction. Any thread. */
uint64_t rj_channel_bytes(const struct rj_channel *channel);

/* Pace what is sent (bytes/s, 0 = as fast as it goes). TCP: SO_MAX_PACING_RATE,
 * which gives no time back that was lost; others: a token bucket inside
 * send_start/send_wait. Worker thread only. */
RJ_NODISCARD int rj_channel_set_rate(struct rj_channel *channel,
				     uint64_t bytes_per_s);
/* What the kernel tells of a TCP connection; zeros elsewhere. */
void rj_channel_tcp_info(const struct rj_channel *channel,
			 struct rj_channel_tcp *ret);
#endif
