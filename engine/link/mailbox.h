/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_MAILBOX_H
#define RJ_ENGINE_LINK_MAILBOX_H
/* Control frames handed from one thread to another, in order. */
#include <stdbool.h>
#include <stdint.h>

#include "engine/wire/wire.h"
#include "ramjet.h"
#include "util/compiler.h"
#include "util/mutex.h"

struct rj_message {
	struct rj_frame frame;
	uint8_t *payload;    /* frame.payload_bytes, malloc()ed or NULL */
	uint64_t offset;     /* of its first byte in the stream it came in */
	uint64_t arrived_ns; /* 0: not noted */
	/* This is no message but the reason why no more will come; the mailbox's.
	 * NULL for messages. */
	const struct ramjet_error *end;
};

void rj_message_done(struct rj_message *message);

/* Device state comes in pieces of 1 MiB: this many may wait, and no more bytes
 * than the box was given. Chosen: 4 GiB of state, far more than the usual limit
 * of 256 MiB; empty messages are what it limits. */
#define RJ_MAILBOX_MAX 4096u
/* For a box that only this side fills. */
#define RJ_MAILBOX_ANY_BYTES UINT64_MAX

struct rj_mail;

struct rj_mailbox {
	struct rj_mutex lock; /* lock order: 5 */
	/* guarded by lock */
	struct rj_mail *first, *last;
	unsigned count;
	uint64_t bytes;     /* of their payloads */
	uint64_t bytes_max; /* immutable */
	int event_fd;       /* signalled on put; -1: none. Immutable. */
	/* Lies here: that there is no memory may be why no more will come. */
	bool has_end;
	struct ramjet_error end; /* written once, before has_end is set */
};

void rj_mailbox_init(struct rj_mailbox *box, uint64_t bytes_max, int event_fd);
void rj_mailbox_done(struct rj_mailbox *box);
/* Takes the payload, also on failure: -ENOBUFS when full, -ENOMEM. */
RJ_NODISCARD int rj_mailbox_put(struct rj_mailbox *box,
				const struct rj_message *message,
				struct ramjet_error *err);
/* Put the reason why no more will come, after all messages so far; once, and
 * nothing is put after it. Never fails. */
void rj_mailbox_put_end(struct rj_mailbox *box, const struct ramjet_error *why);
/* 1 and the oldest message, or 0. */
int rj_mailbox_get(struct rj_mailbox *box, struct rj_message *ret);
/* Is there room for a message with such a payload? Only the thread that puts
 * can rely on it, if it is the only one. */
bool rj_mailbox_has_room(struct rj_mailbox *box, uint32_t bytes);
bool rj_mailbox_is_empty(struct rj_mailbox *box);
#endif
