/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_COMMIT_H
#define RJ_ENGINE_SOURCE_COMMIT_H
/*
 * The point of no return. The target has said READY; once COMMIT may have left
 * this process, the source never resumes by itself. This conducts.
 */
#include "engine/source/outgoing.h"

/* Pump until `done`; -ETIMEDOUT naming `what` when neither bytes nor news have
 * moved for the reply timeout. */
RJ_NODISCARD int rj_source_await(struct rj_outgoing *out,
				 bool (*done)(struct rj_outgoing *),
				 const char *what, struct ramjet_error *err);
/* Say COMMIT. */
RJ_NODISCARD int rj_source_say_commit(struct rj_outgoing *out,
				      struct ramjet_error *err);
/* COMMIT, and RUNNING. The source never resumes after this returned, unless
 * with -ECANCELED (cancelled before the commit). */
RJ_NODISCARD int rj_source_commit(struct rj_outgoing *out,
				  struct ramjet_error *err);
#endif
