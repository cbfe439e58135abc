/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_BASE_STATE_FILE_H
#define RJ_CLI_BASE_STATE_FILE_H
/* Files that hold helpers' state. "-" is standard input or output. */
#include <stddef.h>

#include "ramjet.h"
#include "util/compiler.h"

/* *ret_data is *returned*, to be free()d. -EFBIG beyond `max` bytes. */
RJ_NODISCARD int rj_cli_state_file_read(const char *path, size_t max,
					void **ret_data, size_t *ret_bytes,
					struct ramjet_error *err);
/* All or nothing: a new file (mode 0600) takes the old one's place, see
 * util/beside.h; what is no regular file is written in place. */
RJ_NODISCARD int rj_cli_state_file_write(const char *path, const void *data,
					 size_t bytes,
					 struct ramjet_error *err);
#endif
