/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_COMMANDS_H
#define RJ_CLI_MONITOR_COMMANDS_H
/* What QMP clients may call; `user` is the struct rj_cli_monitor. */
#include "cli/qmp/dispatch.h"

/* A name of NULL ends them. */
extern const struct rj_qmp_command rj_cli_monitor_commands[];
#endif
