/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_CHANNEL_OPS_H
#define RJ_RINGIO_CHANNEL_OPS_H
/*
 * What a channel is beneath its interface (ringio/channel.h): what channel.c
 * and the backends share. They are built on this and channel.c on them, so a
 * backend never calls a function of ringio/channel.h. Nobody else includes
 * this.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ramjet.h"
#include "ringio/endpoint.h"
#include "ringio/iov.h"
#include "ringio/pacing.h"
#include "ringio/sigpipe.h"
#include "ringio/zero_copy.h"

struct rj_channel;

/*
 * The bytes to send are in channel->send; channel.c has checked the arguments
 * and that something is to be moved. A backend takes them away as they are
 * handed over, and calls rj_channel_moved() for what it moved.
 */
struct rj_channel_ops {
	/* Begin, without waiting. */
	int (*send_start)(struct rj_channel *channel);
	/* Let it go on, without waiting. 0, whatever is left; -errno. */
	int (*send_progress)(struct rj_channel *channel);
	/* Wait for the end. On failure nothing is in flight any more. */
	int (*send_wait)(struct rj_channel *channel);
	/* As rj_channel_recv(). */
	int (*recv)(struct rj_channel *channel, struct rj_iov *iov);
	/* As rj_channel_register() etc. NULL: no zero copy here. */
	int (*register_buffer)(struct rj_channel *channel, void *base,
			       size_t bytes);
	void (*unregister_buffer)(struct rj_channel *channel, int buffer);
	int (*drain)(struct rj_channel *channel);
	/* Cancels and reaps. Frees the channel. */
	void (*free)(struct rj_channel *channel);
};

struct rj_channel {
	/* immutable once made */
	const struct rj_channel_ops *ops;
	enum ramjet_backend backend;
	struct rj_conn conn; /* borrowed */
	bool is_bare;        /* conn's; else use its operations */
	bool is_socket;
	int wake_fd;
	int64_t start; /* files: where the first byte goes; -1: no places */
	char reason[192];
	/* the worker's */
	struct rj_iov send; /* bytes 0: nothing to send */
	/* how[i] is for first[i]; NULL: all of it is plain */
	const int *how;
	const struct iovec *first;
	struct rj_channel_zero_copy zero_copy;
	/* an error found outside of rj_channel_send_wait() */
	int send_error;
	uint32_t low_water; /* bytes that end a wait for data; 0: not set */
	bool sigpipe_held;
	struct rj_sigpipe sigpipe;
	struct rj_pacing pacing;
	/* relaxed: a counter that orders nothing */
	atomic_uint_fast64_t bytes;
};

/*
 * Before waiting for `bytes` more to receive, all of which are bound to come:
 * to be woken for every packet costs more than receiving it. Never more than
 * `bytes`: nothing may follow them.
 */
void rj_channel_expect(struct rj_channel *channel, uint64_t bytes);

/* As rj_channel_bytes(). */
static inline uint64_t rj_channel_moved_bytes(const struct rj_channel *channel)
{
	return atomic_load_explicit(&channel->bytes, memory_order_relaxed);
}

static inline void rj_channel_moved(struct rj_channel *channel, uint64_t bytes)
{
	/* Only the worker writes it. */
	atomic_store_explicit(&channel->bytes,
			      rj_channel_moved_bytes(channel) + bytes,
			      memory_order_relaxed);
}

/*
 * Where in a file the next byte belongs; -1: what has no places, as a pipe.
 * Told with each request: the kernel's own position may stay behind when a
 * request ends early, and what follows would overwrite.
 */
static inline int64_t rj_channel_place(const struct rj_channel *channel)
{
	return channel->start < 0
		       ? -1
		       : channel->start +
				 (int64_t)rj_channel_moved_bytes(channel);
}
#endif
