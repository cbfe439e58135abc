/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_MARKS_H
#define RJ_ENGINE_SEND_MARKS_H
#include "engine/guest/guest.h"
#include "engine/send/rounds.h"

/* From now on what the VMM marks or discards goes into these rounds, until
 * rj_guest_listen(guest, NULL, NULL). */
void rj_rounds_listen(struct rj_rounds *rounds, struct ramjet_guest *guest);
#endif
