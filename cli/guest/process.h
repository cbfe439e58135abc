/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_PROCESS_H
#define RJ_CLI_GUEST_PROCESS_H
/* Threads of this process play vCPUs and write their memory. */
#include "cli/guest/guest.h"

extern const struct rj_cli_guest_kind rj_cli_guest_process;
#endif
