/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_MIGRATION_CONFINE_H
#define RJ_ENGINE_MIGRATION_CONFINE_H
/*
 * The CPUs that the VMM leaves to a migration. Its control thread goes there
 * first of all, and whoever it makes inherits that, as everything that counts
 * CPUs then finds no others. Callbacks run where the VMM's caller may: the vCPU
 * threads that they make inherit it.
 */
#include "engine/migration/migration.h"

/* By the caller's parameters, on his thread; -EINVAL names what is wrong. */
RJ_NODISCARD int rj_confine_prepare(struct ramjet_migration *m,
				    struct ramjet_error *err);
void rj_confine_done(struct ramjet_migration *m);

/* The calling thread runs on them from now on / where the caller may. Nothing
 * happens where none were given (NULL). */
void rj_confine_enter(const struct rj_confinement *c);
void rj_confine_leave(const struct rj_confinement *c);
#endif
