/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_LOST_LANES_H
#define RJ_ENGINE_SOURCE_LOST_LANES_H
/*
 * Data connections may be lost at any time, where both sides have agreed on it.
 *
 * Noticed   by the send worker, whose connection breaks; by the control thread,
 *           when TCP sends the same bytes again and again (lane_stall.h); or by the
 *           target.
 * Asked     The source says LOST. The target has the lane's receiver end, and
 *           answers LOST, with the frames that it has in memory; or says that
 *           unasked. Until then the lane counts in rounds: so no round ends
 *           without it, above all not the last.
 * Back      What was claimed for later frames is dirty again (claim_log.h), and
 *           their copies are forgotten, so that no delta builds on them. Nobody
 *           waits for the lane any more. BACK tells the target from which round
 *           on these pages go. If the last round is open, another one follows.
 * Anew      It is connected again while memory moves (rejoin.h), for as long as
 *           agreed after the loss; if no lane is left, in the pause, too, and if
 *           none returns in that time, the migration fails with the lane's error.
 *           With JOINED the target says from which fence on it counts.
 *
 * The control thread's. All of it does nothing where lanes may not be lost.
 */
#include "engine/source/outgoing.h"

/* Once the target has accepted; before the workers begin. */
RJ_NODISCARD int rj_source_lost_begin(struct rj_outgoing *out,
				      struct ramjet_error *err);
/* What is being connected is given up. Safe at any time. */
void rj_source_lost_stop(struct rj_outgoing *out);
void rj_source_lost_done(struct rj_outgoing *out);

/* Whenever something may have changed: what was lost, and what returns. */
RJ_NODISCARD int rj_source_lost_look(struct rj_outgoing *out,
				     struct ramjet_error *err);
/* What the target says of lanes. */
RJ_NODISCARD int rj_source_lost_take_lost(struct rj_outgoing *out,
					  struct rj_message *message,
					  struct ramjet_error *err);
RJ_NODISCARD int rj_source_lost_take_joined(struct rj_outgoing *out,
					    struct rj_message *message,
					    struct ramjet_error *err);
RJ_NODISCARD int rj_source_lost_take_taken(struct rj_outgoing *out,
					   struct rj_message *message,
					   struct ramjet_error *err);

/* The final round is applied: what becomes of lanes does not matter any more. */
bool rj_source_lost_are_through(struct rj_outgoing *out);
#endif
