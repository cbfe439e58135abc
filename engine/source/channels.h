/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_CHANNELS_H
#define RJ_ENGINE_SOURCE_CHANNELS_H
/*
 * How many of the open channels work: as many as asked for, or, when that is
 * left to us, as many as prove useful (engine/forecast/channel_count.h). The
 * control thread's.
 */
#include "engine/forecast/meter.h"
#include "engine/source/outgoing.h"

/* When channels are open and rounds not begun: decide which workers are active
 * at first. `only_one`: the connection takes no others beside it. */
void rj_source_channels_begin(struct rj_source_lanes *lanes,
			      struct rj_rounds *rounds, bool only_one,
			      const struct rj_env *env);
/* At every tick while the guest runs; `busy`: workers had work throughout. */
void rj_source_channels_tick(struct rj_source_lanes *lanes,
			     struct rj_rounds *rounds,
			     const struct rj_forecast *forecast, bool busy,
			     const struct rj_env *env);
/* For the last pages: those that have proved useful, and no experiments. */
void rj_source_channels_settle(struct rj_source_lanes *lanes,
			       struct rj_rounds *rounds);
#endif
