/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_TARGET_LOST_LANES_H
#define RJ_ENGINE_TARGET_LOST_LANES_H
/*
 * Lanes whose connection is lost while the others go on, and that return, as
 * docs/protocol.md has it (Lost lanes). The control thread's, all of it. Nothing
 * happens here where lanes may not be lost.
 *
 * A lane's worker has ended, and all that it had received whole is in memory,
 * before LOST says so: so what the source sends again is never followed by
 * something older.
 */
#include "engine/target/incoming.h"

/* Before receivers start, whose connections are there. */
RJ_NODISCARD int rj_lost_lanes_init(struct rj_incoming *in,
				    struct ramjet_error *err);
/* After they have ended. Safe on a zeroed one. */
void rj_lost_lanes_done(struct rj_lost_lanes *lost);

/* Whenever the control thread looks around, before it reports rounds as applied:
 * lanes that have failed, those that return, and TAKEN. */
RJ_NODISCARD int rj_lost_lanes_look(struct ramjet_migration *m,
				    struct ramjet_error *err);
/* LOST and BACK of the source's. */
RJ_NODISCARD int rj_lost_lanes_take_lost(struct ramjet_migration *m,
					 struct rj_message *message,
					 struct ramjet_error *err);
RJ_NODISCARD int rj_lost_lanes_take_back(struct ramjet_migration *m,
					 struct rj_message *message,
					 struct ramjet_error *err);
#endif
