/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_MACHINE_H
#define RJ_CLI_MONITOR_MACHINE_H
/* What managers ask of any virtual machine before they begin: commands of
 * the monitor (cli/monitor/state.h is their user). */
#include "cli/qmp/dispatch.h"

int rj_cli_query_name(struct rj_qmp_call *call, struct ramjet_error *err);
int rj_cli_query_uuid(struct rj_qmp_call *call, struct ramjet_error *err);
int rj_cli_query_kvm(struct rj_qmp_call *call, struct ramjet_error *err);
int rj_cli_query_target(struct rj_qmp_call *call, struct ramjet_error *err);
int rj_cli_query_cpus(struct rj_qmp_call *call, struct ramjet_error *err);
#endif
