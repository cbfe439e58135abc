/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_MEMORY_H
#define RJ_ENGINE_SOURCE_MEMORY_H
/* The source's memory: what is tracked, what is populated, what is dirty. The
 * control thread's. */
#include "engine/page/digest.h"
#include "engine/source/outgoing.h"

/* Rounds for the lanes, and their places; begin tracking. What is populated is
 * found in round 0, by the workers. This conducts. */
RJ_NODISCARD int rj_memory_prepare(struct rj_outgoing *out,
				   struct ramjet_error *err);
/* Pages to be sent and not claimed: while round 0 is being found, as far as can be
 * told. */
uint64_t rj_memory_remaining(const struct rj_source_pages *pages);
/* What round 0 holds is known by now: what follows from that. */
void rj_memory_found_first(struct rj_outgoing *out);
void rj_memory_stop_tracking(struct rj_source_pages *pages,
			     struct ramjet_guest *guest,
			     const struct rj_env *env);
/* What digests are made of, on both sides, when they are wanted. */
enum rj_digest_of rj_memory_digest_of(const struct rj_env *env);
#endif
