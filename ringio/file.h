/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_FILE_H
#define RJ_RINGIO_FILE_H
/*
 * Streams in files: file:, and regular files given as fd:. A file: stream is
 * written beside the file it is to replace, so that nothing is lost when
 * nothing comes of it; a file given as fd: is written where it is open.
 */
#include "ringio/endpoint.h"

/* For writing: for the owner alone. Named pipes, block devices and /dev/null
 * are used as they are. */
RJ_NODISCARD int rj_file_open(const char *path, bool writing,
			      struct rj_conn *ret, struct ramjet_error *err);
/* `conn` is a regular file that the caller has opened as `given`. */
RJ_NODISCARD int rj_file_adopt(struct rj_conn *conn, int given, bool writing,
			       struct ramjet_error *err);
/* As rj_conn_is_held_back(). */
bool rj_file_is_held_back(const struct rj_conn *conn);
/* As rj_conn_content() etc., for RJ_CONN_FILE. */
int rj_file_content(const struct rj_conn *conn);
RJ_NODISCARD int rj_file_lock(struct rj_conn *conn, struct ramjet_error *err);
RJ_NODISCARD int rj_file_begin(struct rj_conn *conn, struct ramjet_error *err);
RJ_NODISCARD int rj_file_sync(struct rj_conn *conn, uint64_t sent_bytes,
			      struct ramjet_error *err);
RJ_NODISCARD int rj_file_publish(struct rj_conn *conn,
				 struct ramjet_error *err);
#endif
