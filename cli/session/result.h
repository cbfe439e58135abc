/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_SESSION_RESULT_H
#define RJ_CLI_SESSION_RESULT_H
/* How a migration went, for people, on standard output. */
#include "cli/session/session.h"

/* "completed: ..." and a few lines under it, of a session that completed. */
void rj_cli_result_print(const struct rj_cli_session *session, FILE *out);

/* The parts, for the demo's longer tale; each line begins with two blanks. */
/* The pause by its terms, predicted and actual. */
void rj_cli_result_pause(const struct ramjet_info *info, FILE *out);
/* Bytes, rounds, pages, time. */
void rj_cli_result_memory(const struct ramjet_info *info, FILE *out);
/* One line, or none. */
void rj_cli_result_savings(const struct ramjet_savings *savings, FILE *out);
/* Which fast paths were taken, and why not. */
void rj_cli_result_paths(const struct ramjet_info *info, FILE *out);
/* Those that took part, and what it took on this side. */
void rj_cli_result_helpers(const struct ramjet_info *info, FILE *out);
/* "memory proven equal: ...", or that it was not asked for. */
void rj_cli_result_proof(const struct ramjet_info *info, FILE *out);
/* As that, to standard output, for rj_cli_session_print(); `session` is a
 * struct rj_cli_session. */
void rj_cli_result_show(void *session);
#endif
