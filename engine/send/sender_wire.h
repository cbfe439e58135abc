/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_SENDER_WIRE_H
#define RJ_ENGINE_SEND_SENDER_WIRE_H
/*
 * A send worker's way to its connection: at what pace, whose turn it is, and how
 * much of what was given to it has left. Called by the worker.
 */
#include "engine/send/sender_parts.h"
#include "ringio/iov.h"

/* For others to see: bytes on the wire, and CPU time. */
void rj_sender_publish(struct rj_sender *s);
/* A changed cap changes this channel's pace with its next frame. */
RJ_NODISCARD int rj_sender_apply_rate(struct rj_sender *s);
/* Until what is left of `rest` may go as a whole, sending what may not. */
RJ_NODISCARD int rj_sender_slices(struct rj_sender *s, struct rj_iov *rest);
/* What is left of a frame of which slices have gone. */
RJ_NODISCARD int rj_sender_start_rest(struct rj_sender *s, struct rj_iov *rest);
/* Bytes that the peer, or the network at least, has taken. */
uint64_t rj_sender_left_bytes(const struct rj_sender *s);
#endif
