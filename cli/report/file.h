/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_REPORT_FILE_H
#define RJ_CLI_REPORT_FILE_H
/*
 * Where `--json FILE` goes. A file is written beside and renamed at the end,
 * so a report is whole or the old one; what is no file is written in place;
 * "-", or another name of standard output, is standard output.
 */
#include <jansson.h>

#include "util/beside.h"

struct rj_cli_report_file {
	const char *path;       /* borrowed; NULL: none wanted */
	struct rj_beside place; /* open from the start if in place */
	bool has_reader;        /* no file on a disk: it may have no reader */
	bool in_row; /* in place, after what others have written there */
};
#define RJ_CLI_REPORT_FILE_NONE         \
	{                               \
		.place = RJ_BESIDE_NONE \
	}

/* That it can be written is better known before anything has happened. With
 * the report on standard output, all that is for people goes to standard
 * error from now on: descriptor 1 becomes that. */
RJ_NODISCARD int rj_cli_report_open(const char *path,
				    struct rj_cli_report_file *ret,
				    struct ramjet_error *err);
/* Call once. Waits for the reader, if it is no regular file. */
RJ_NODISCARD int rj_cli_report_write(struct rj_cli_report_file *file,
				     const json_t *object,
				     struct ramjet_error *err);
/* Safe on RJ_CLI_REPORT_FILE_NONE. */
void rj_cli_report_close(struct rj_cli_report_file *file);
#endif
