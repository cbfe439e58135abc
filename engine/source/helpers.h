/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_HELPERS_H
#define RJ_ENGINE_SOURCE_HELPERS_H
/* The guest's D-Bus helpers in an outgoing migration. All of these do nothing
 * when the guest has none. */
#include "engine/source/outgoing.h"

/* At start: find them, refuse what cannot work, rehearse when asked to. */
RJ_NODISCARD int rj_source_open_helpers(struct ramjet_migration *m,
					struct ramjet_error *err);
/* While memory moves: are all of them still there? */
RJ_NODISCARD int rj_source_check_helpers(struct ramjet_migration *m,
					 struct ramjet_error *err);
/* Guest is stopped: ask all to save; returns at once. */
RJ_NODISCARD int rj_source_begin_helpers(struct ramjet_migration *m,
					 struct ramjet_error *err);
/* Wait for them, and send their record. */
RJ_NODISCARD int rj_source_finish_helpers(struct ramjet_migration *m,
					  struct ramjet_error *err);
#endif
