/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_SENDER_H
#define RJ_ENGINE_SEND_SENDER_H
/*
 * A send worker: thread, channel and frames of its own. It claims chunks,
 * tells zero pages from others, and sends frames straight from guest memory;
 * the next frame is built while the kernel sends the last one.
 */
#include "engine/send/sender_parts.h"

/* `s` is filled in up to `backend`. */
RJ_NODISCARD int rj_sender_start(struct rj_sender *s, struct ramjet_error *err);
/* Has its connection broken? Where lanes may be lost; else that fails the migration,
 * as other errors do. s->err is why. */
static inline bool rj_sender_is_lost(const struct rj_sender *s)
{
	return atomic_load_explicit(&s->lost, memory_order_acquire);
}
/* End it, whatever it waits for, and wait for that: its connection is of no use any
 * more. The connection is closed then. Where lanes may be lost. */
void rj_sender_dismiss(struct rj_sender *s);
/* After that: as it was before it was started, but for what it counts. */
void rj_sender_renew(struct rj_sender *s);
/* Wait for its end; the connection stays open. Safe when not started. */
void rj_sender_join(struct rj_sender *s);
#endif
