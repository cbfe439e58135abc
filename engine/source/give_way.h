/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_GIVE_WAY_H
#define RJ_ENGINE_SOURCE_GIVE_WAY_H
/* Lanes that look for the level of compression that pays take less of the CPUs
 * while others, the guest's vCPUs above all, want them. */
#include "engine/source/outgoing.h"

/* Before the lanes begin. */
void rj_give_way_begin(struct rj_source_lanes *lanes);
/* At every tick: looks once a second, if anything depends on it. */
void rj_give_way_tick(struct rj_source_lanes *lanes, const struct rj_env *env);
#endif
