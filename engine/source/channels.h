/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_CHANNELS_H
#define RJ_ENGINE_SOURCE_CHANNELS_H
/*
 * How many of the open channels work: as many as asked for, or, when that is
 * left to us, as many as prove useful (engine/forecast/channel_count.h). The
 * control thread's.
 */
#include <stdbool.h>

#include "engine/forecast/meter.h"
#include "engine/migration/migration.h"

/* When channels are open and rounds not begun: decide which workers are active
 * at first. */
void rj_source_channels_begin(struct ramjet_migration *m);
/* At every tick while the guest runs; `busy`: workers had work throughout. */
void rj_source_channels_tick(struct ramjet_migration *m,
			     const struct rj_wire_now *wire, bool busy);
/* For the last pages: those that have proved useful, and no experiments. */
void rj_source_channels_settle(struct ramjet_migration *m);
#endif
