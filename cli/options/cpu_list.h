/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OPTIONS_CPU_LIST_H
#define RJ_CLI_OPTIONS_CPU_LIST_H
#include "ramjet.h"
#include "util/compiler.h"

/*
 * --cpus: "0-3,8", as taskset(1) takes it, into params->cpus. The numbers stay
 * valid until the next call: a command has one command line. -EINVAL, -ERANGE.
 */
RJ_NODISCARD int rj_cli_cpu_list(const char *what, const char *text,
				 struct ramjet_params *params,
				 struct ramjet_error *err);
#endif
