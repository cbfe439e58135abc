/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_COLLECT_H
#define RJ_ENGINE_SOURCE_COLLECT_H
/*
 * Asking the dirty sources what was written. Threads `rj/scan` share the memory
 * with the control thread: all of them once the guest stands still; while it
 * runs, as few as keep a collect short, since pages that are protected again
 * interrupt each CPU that runs the guest, and each that protects.
 */
#include "engine/source/outgoing.h"

/* Make the crew, once tracking has begun. */
RJ_NODISCARD int rj_collect_begin(struct rj_source_pages *pages,
				  struct ramjet_error *err);
/* OR what was written into the next round; `last`: the guest is stopped. */
RJ_NODISCARD int rj_collect(struct rj_source_pages *pages,
			    struct rj_estimate *estimate, bool last,
			    const struct rj_env *env, uint64_t *ret_pages,
			    struct ramjet_error *err);
/* What the control thread and its crew have used of CPUs. */
uint64_t rj_collect_cpu_us(const struct rj_source_pages *pages);
/* Safe on zeroed ones. */
void rj_collect_end(struct rj_source_pages *pages, const struct rj_env *env);

/* Of a crew for so many bytes on so many CPUs; and how many of it work while the
 * guest runs. */
unsigned rj_collect_crew(unsigned cpus, uint64_t bytes);
unsigned rj_collect_running(unsigned crew, uint64_t bytes);
#endif
