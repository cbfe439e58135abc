/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_DELTAS_H
#define RJ_ENGINE_SEND_DELTAS_H
/*
 * A lane's pages on their way into a frame, where copies of what was sent are kept
 * (engine/page/delta_cache.h): all that are added go through here, so that no copy
 * outlives what it is a copy of.
 *
 * A page that has not changed is named only (SAME); one that has changed a little
 * goes as what has changed (DELTA). Others go as they would have, from a copy of
 * the frame's own if that is to be kept, else from where they lie.
 *
 * Begins    once a lane finds that pages leave slowly enough: on a fast connection
 *           a page costs less than a look at its copy.
 * Ends      once it costs more than the bytes saved would have, twice in a row;
 *           and begins again where pages leave twice as slowly as was asked for
 *           before. Both are for all lanes (engine/page/delta_cache.h).
 */
#include "engine/migration/env.h"
#include "engine/page/delta_cache.h"
#include "engine/page/delta_run.h"
#include "engine/send/out_frame.h"

/* Chosen: a run of DELTA pages of so much payload, at most. */
#define RJ_DELTAS_RUN_BYTES (32u << 10)

/* What a lane has done; the time is that of its claims. */
struct rj_deltas_seen {
	uint64_t ns;       /* all of it */
	uint64_t delta_ns; /* of it, for deltas */
	uint64_t wire_bytes, saved_bytes;
	uint64_t pages; /* that were asked about */
};

struct rj_deltas {
	struct rj_delta_cache *cache; /* shared, borrowed */
	const struct rj_env *env;
	uint32_t round;
	bool final;
	bool on;       /* copies are kept in this round */
	uint32_t from; /* and since this one */
	struct rj_deltas_seen seen, judged;
	unsigned verdicts; /* against it, in a row */

	uint8_t base[RAMJET_PAGE_BYTES], copy[RAMJET_PAGE_BYTES];
	/* The run that grows; its pages are of one kind. */
	struct {
		enum rj_run_kind kind;
		const uint8_t *pages;
		uint64_t page;
		uint32_t count;
	} run;
	uint8_t coded[RJ_DELTAS_RUN_BYTES];
	uint32_t coded_bytes;
};

/* *ret stays NULL where this migration has no deltas; to be freed with free(). */
RJ_NODISCARD int rj_deltas_new(const struct rj_reduction *reduction,
			       const struct rj_env *env, struct rj_deltas **ret,
			       struct ramjet_error *err);

/* `deltas` may be NULL in all of these. */

/* The lane enters a round. */
void rj_deltas_enter(struct rj_deltas *deltas, uint32_t round, bool final);
/* A claim took so long, and the lane has sent so many bytes by now. */
void rj_deltas_note(struct rj_deltas *deltas, uint64_t ns, uint64_t wire_bytes);
/* As rj_out_frame_add(), which it makes use of. */
uint32_t rj_deltas_add(struct rj_deltas *deltas, struct rj_out_frame *frame,
		       unsigned block, const uint8_t *pages, uint64_t page,
		       uint32_t count, enum rj_run_kind kind);
#endif
