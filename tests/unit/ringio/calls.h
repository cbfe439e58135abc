/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_RINGIO_CALLS_H
#define RJ_TESTS_RINGIO_CALLS_H
/* Calls of ringio/endpoint.h that must succeed, or fail as said; anything else
 * ends the test. */
#include "ringio/endpoint.h"
#include "util/compiler.h"

struct rj_uri uri_of(const char *format, ...) RJ_PRINTF(1, 2);
struct rj_listener listener_of(const struct rj_uri *uri);
struct rj_conn connected_to(const struct rj_uri *uri);
struct rj_conn incoming_of(const struct rj_uri *uri);

void assert_says(const struct ramjet_error *err, const char *part);
/* With `code`, and a message that has `part` in it. */
void connect_fails(const struct rj_uri *uri, int code, const char *part);
void listen_fails(const struct rj_uri *uri, int code, const char *part);
void incoming_fails(const struct rj_uri *uri, int code, const char *part);

/* An unused name in a directory of its own (32 bytes). Returns path. */
const char *fresh_path(char *directory, char *path, size_t size);
int event_new(unsigned count);
#endif
