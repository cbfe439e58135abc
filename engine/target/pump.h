/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_TARGET_PUMP_H
#define RJ_ENGINE_TARGET_PUMP_H
/* What the target's control thread waits for. */
#include "engine/target/incoming.h"

/* Tell the source of applied rounds; until pages, state and the announcement
 * of the end are all there. */
RJ_NODISCARD int rj_target_await_all(struct ramjet_migration *m,
				     struct ramjet_error *err);
/* One message: is it its turn, and what does it say? */
RJ_NODISCARD int rj_target_take(struct ramjet_migration *m,
				struct rj_message *message,
				struct ramjet_error *err);
/* Without waiting: what the source has said by now, and whether its stream
 * has failed (in band) behind that. */
RJ_NODISCARD int rj_target_look(struct ramjet_migration *m,
				struct ramjet_error *err);
/* READY was answered: until COMMIT, or the news that it will not come. */
RJ_NODISCARD int rj_target_await_commit(struct ramjet_migration *m,
					struct ramjet_error *err);
/* RUNNING is said: has the source heard all, or is there nothing to wait for?
 * Until deadline_ns. */
bool rj_target_await_known(struct ramjet_migration *m, uint64_t deadline_ns);
#endif
