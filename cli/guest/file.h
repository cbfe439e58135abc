/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_FILE_H
#define RJ_CLI_GUEST_FILE_H
/* A RAM image in a file: an idle guest with the one block "ram0". */
#include "cli/guest/guest.h"

extern const struct rj_cli_guest_kind rj_cli_guest_file;
#endif
