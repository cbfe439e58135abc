/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_MIGRATION_CALLBACK_H
#define RJ_ENGINE_MIGRATION_CALLBACK_H
/*
 * Calls of the VMM's operations. They run with the signal mask of whoever began
 * the migration, since what they start (vCPU threads) inherits it: a thread
 * deaf to the signal it is kicked with could not be stopped.
 *
 * All return 0, or a negative errno with err (not NULL) filled, whatever the
 * VMM returned and filled.
 */
#include <signal.h>
#include <stddef.h>

#include "engine/migration/migration.h"
#include "util/compiler.h"

RJ_NODISCARD int rj_call_stop(struct ramjet_migration *m,
			      struct ramjet_error *err);
RJ_NODISCARD int rj_call_start(struct ramjet_migration *m,
			       struct ramjet_error *err);
RJ_NODISCARD int rj_call_throttle(struct ramjet_migration *m, unsigned percent,
				  struct ramjet_error *err);
RJ_NODISCARD int rj_call_save_state(struct ramjet_migration *m, void **ret_data,
				    size_t *ret_bytes,
				    struct ramjet_error *err);
RJ_NODISCARD int rj_call_load_state(struct ramjet_migration *m,
				    const void *data, size_t bytes,
				    struct ramjet_error *err);

/* The streams: `write` runs as the rest of ramjet does, not as the callback. */
RJ_NODISCARD int rj_call_save_stream(struct ramjet_migration *m,
				     ramjet_write_fn *write, void *context,
				     struct ramjet_error *err);
RJ_NODISCARD int rj_call_load_stream(struct ramjet_migration *m,
				     ramjet_read_fn *read, void *context,
				     struct ramjet_error *err);

/* Likewise. */
void rj_call_notifiers(struct ramjet_migration *m, enum ramjet_state old_state,
		       enum ramjet_state new_state,
		       const struct ramjet_error *err);
#endif
