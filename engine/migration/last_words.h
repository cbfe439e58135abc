/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_MIGRATION_LAST_WORDS_H
#define RJ_ENGINE_MIGRATION_LAST_WORDS_H
/*
 * How the two sides part when a migration fails. A broken data channel says
 * little; the peer's FAILED or CANCEL on the control link says why.
 */
#include "engine/link/link.h"
#include "engine/migration/env.h"
#include "ringio/endpoint.h"

/* Listen a moment for the peer's reason; it replaces our own error. `peer` is
 * "source" or "target". Says nothing when the peer said nothing. */
void rj_hear_last_words(struct rj_link *link, const struct rj_env *env,
			const char *peer);
/* exec:, after a failure that comes from its pipe: how the command ended says
 * more, and goes before it. Closes the connection, which nobody uses. */
void rj_hear_command(struct rj_conn *conn, const struct rj_env *env);
/* Tell the peer, without waiting long: CANCEL or FAILED. */
void rj_say_goodbye(struct rj_link *link, const struct rj_env *env,
		    const struct ramjet_error *error);
/* FAILED or CANCEL as our error, "target: out of space", which it returns. It
 * also replaces what a connection said that broke before this was read. */
RJ_NODISCARD int rj_take_last_words(const struct rj_env *env,
				    const struct rj_message *message,
				    const char *peer, struct ramjet_error *err);
#endif
