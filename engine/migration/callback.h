/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_MIGRATION_CALLBACK_H
#define RJ_ENGINE_MIGRATION_CALLBACK_H
/*
 * Calls of the VMM's operations. They run with the signal mask of whoever began
 * the migration, since what they start (vCPU threads) inherits it: a thread
 * deaf to the signal it is kicked with could not be stopped.
 *
 * All return 0, or a negative errno with err (not NULL) filled, whatever the
 * VMM returned and filled. Who calls needs no migration: whom to call, and how,
 * is a struct rj_vmm.
 */
#include <signal.h>
#include <stddef.h>

#include "engine/migration/migration.h"
#include "util/compiler.h"

struct rj_vmm {
	struct ramjet_guest *guest;
	const sigset_t *mask;                     /* the caller's */
	const struct rj_confinement *confinement; /* NULL: anywhere */
};
/* Borrowed from the migration. */
struct rj_vmm rj_vmm_of(const struct ramjet_migration *m);

RJ_NODISCARD int rj_call_stop(const struct rj_vmm *vmm,
			      struct ramjet_error *err);
RJ_NODISCARD int rj_call_start(const struct rj_vmm *vmm,
			       struct ramjet_error *err);
RJ_NODISCARD int rj_call_throttle(const struct rj_vmm *vmm, unsigned percent,
				  struct ramjet_error *err);
RJ_NODISCARD int rj_call_save_state(const struct rj_vmm *vmm, void **ret_data,
				    size_t *ret_bytes,
				    struct ramjet_error *err);
/* The VMM may name its blocks within accept. */
RJ_NODISCARD int rj_call_describe(const struct rj_vmm *vmm, void **ret_data,
				  size_t *ret_bytes, struct ramjet_error *err);
RJ_NODISCARD int rj_call_accept(const struct rj_vmm *vmm, const void *data,
				size_t bytes, struct ramjet_error *err);
RJ_NODISCARD int rj_call_load_state(const struct rj_vmm *vmm, const void *data,
				    size_t bytes, struct ramjet_error *err);

/* The streams: `write` runs as the rest of ramjet does, not as the callback. */
RJ_NODISCARD int rj_call_save_stream(const struct rj_vmm *vmm,
				     ramjet_write_fn *write, void *context,
				     struct ramjet_error *err);
RJ_NODISCARD int rj_call_load_stream(const struct rj_vmm *vmm,
				     ramjet_read_fn *read, void *context,
				     struct ramjet_error *err);

struct ramjet_connect_request;
struct ramjet_connection;
struct ramjet_connector;
/* As the VMM has left *ret, to be loaded (ringio/given.h). */
RJ_NODISCARD int rj_call_connect(const struct rj_vmm *vmm,
				 const struct ramjet_connector *connector,
				 const struct ramjet_connect_request *request,
				 struct ramjet_connection *ret,
				 struct ramjet_error *err);

/* Likewise. They are shown the migration. */
void rj_call_notifiers(struct ramjet_migration *m, enum ramjet_state old_state,
		       enum ramjet_state new_state,
		       const struct ramjet_error *err);
#endif
