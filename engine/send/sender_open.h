/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_SENDER_OPEN_H
#define RJ_ENGINE_SEND_SENDER_OPEN_H
/* What a send worker needs before its first frame; on its own thread. */
#include "engine/send/sender_parts.h"

/* Channel, claim log, codec, frames, way to send. Whatever comes of it, the worker
 * frees what is there at its end. */
RJ_NODISCARD int rj_sender_open(struct rj_sender *s, struct ramjet_error *err);
/* If there is something new to say of that. */
void rj_sender_report_zero_copy(struct rj_sender *s);
#endif
