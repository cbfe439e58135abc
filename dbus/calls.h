/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_CALLS_H
#define RJ_DBUS_CALLS_H
/*
 * Save or Load of all participants at once. The calls leave together and the
 * replies are awaited together, so it takes as long as the slowest helper. A
 * Save that fails ends the operation at once: nothing has reached the target
 * yet. After a Load that fails the other replies are awaited, since helpers
 * that have loaded must be reported.
 */
#include "dbus/blob.h"
#include "dbus/roster.h"

struct rj_calls {
	struct rj_roster *roster; /* borrowed */
	bool loading;
	uint64_t state_bytes_max;
	uint64_t started_ns;
	unsigned awaited;
	unsigned failed;
	struct ramjet_error failure; /* the first */
};

/* Send Save to every participant. */
RJ_NODISCARD int rj_calls_save(struct rj_calls *calls, struct rj_roster *roster,
			       uint64_t state_bytes_max,
			       struct ramjet_error *err);
/* Send Load to the participants with the items' Ids; all must be there. */
RJ_NODISCARD int rj_calls_load(struct rj_calls *calls, struct rj_roster *roster,
			       const struct rj_blob_item *items, size_t count,
			       struct ramjet_error *err);
/* 1 when done, 0 when replies are awaited, or the failure. */
RJ_NODISCARD int rj_calls_progress(struct rj_calls *calls,
				   struct ramjet_error *err);
/* The deadline is over: fails, naming the helpers that did not answer. */
RJ_NODISCARD int rj_calls_expire(struct rj_calls *calls, uint64_t waited_ms,
				 struct ramjet_error *err);
/* Forget calls under way and states held; late replies are ignored. */
void rj_calls_drop(struct rj_roster *roster);
#endif
