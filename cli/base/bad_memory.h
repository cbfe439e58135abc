/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_BASE_BAD_MEMORY_H
#define RJ_CLI_BASE_BAD_MEMORY_H
/* A SIGBUS of a migration's own threads, of memory that is not there or broken,
 * is an error; any other ends the process as it did. For commands that move a
 * guest, before their threads are made. */
void rj_cli_bad_memory_handle(void);
#endif
