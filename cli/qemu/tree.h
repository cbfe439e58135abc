/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_TREE_H
#define RJ_CLI_QEMU_TREE_H
/* QEMU's `info qtree`, made into one line a device. */
#include <stdio.h>

#include "util/compiler.h"

/* Write the lines "device PLACE key=value ..." of `text`, which is taken
 * apart, to `out`. -EPROTO where it isn't a tree. */
RJ_NODISCARD int rj_qemu_tree_write(char *text, FILE *out);
#endif
