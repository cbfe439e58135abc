/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_HELPERS_H
#define RJ_ENGINE_SOURCE_HELPERS_H
/* The guest's D-Bus helpers in an outgoing migration. All of these do nothing
 * when the guest has none. */
#include "dbus/vmstate.h"
#include "engine/forecast/estimate.h"
#include "engine/guest/guest.h"
#include "engine/source/state_out.h"

struct rj_outgoing;

/* At start: find them (NULL: none), refuse what cannot work, rehearse when
 * asked to, which is what the estimate then counts with. */
RJ_NODISCARD int rj_source_open_helpers(struct ramjet_guest *guest,
					struct rj_helpers **ret,
					struct rj_estimate *estimate,
					const struct rj_env *env,
					struct ramjet_error *err);
/* While memory moves: are all of them still there? */
RJ_NODISCARD int rj_source_check_helpers(struct rj_helpers *helpers,
					 struct ramjet_error *err);
/* Guest is stopped: ask all to save; returns at once. */
RJ_NODISCARD int rj_source_begin_helpers(struct rj_helpers *helpers,
					 struct ramjet_error *err);
/* Wait for them, and send their record. Pages are sent meanwhile, so this
 * conducts. */
RJ_NODISCARD int rj_source_finish_helpers(struct rj_outgoing *out,
					  const struct rj_state_out *to,
					  struct ramjet_error *err);
#endif
