/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_REHEARSAL_H
#define RJ_DIRTY_REHEARSAL_H
/*
 * How long the last collect would take, found out while the guest runs: pagemap
 * protects nothing then, and is looked through by the whole crew, so what the
 * collects before it take says little. A rehearsal looks at some of the pieces in
 * the same way, and nobody is told what it finds. Sources to which the last
 * collect is as any other are not asked.
 */
#include "dirty/source.h"

/* Is there such a source? */
bool rj_rehearsal_is_useful(const struct rj_dirty_set *set);
/* *ret_ns: of those sources together; 0 without any. As rj_dirty_set_collect(),
 * beside nobody else's. */
RJ_NODISCARD int rj_rehearse_last(struct rj_dirty_set *set,
				  struct rj_crew *crew, uint64_t *ret_ns,
				  struct ramjet_error *err);
#endif
