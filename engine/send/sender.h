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
/* Wait for its end; the connection stays open. Safe when not started. */
void rj_sender_join(struct rj_sender *s);
#endif
