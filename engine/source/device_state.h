/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_DEVICE_STATE_H
#define RJ_ENGINE_SOURCE_DEVICE_STATE_H
/* The devices' state: the VMM saves it, in one piece or in a stream. The control
 * thread's. */
#include "engine/migration/callback.h"
#include "engine/source/state_out.h"

bool rj_device_state_exists(const struct ramjet_guest *guest);
/* The guest is stopped: have it saved, and send all of it. */
RJ_NODISCARD int rj_device_state_send(const struct rj_vmm *vmm,
				      const struct rj_state_out *out,
				      struct ramjet_error *err);
#endif
