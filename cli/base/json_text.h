/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_BASE_JSON_TEXT_H
#define RJ_CLI_BASE_JSON_TEXT_H
/*
 * How texts get into JSON, in reports and replies alike. Paths, names and
 * messages are bytes, JSON takes UTF-8 only: jansson refuses any other text,
 * and its key would be missing.
 */
#include <jansson.h>
#include <stdint.h>

/* *Returned*; bytes that are no UTF-8 become \xNN. NULL only when out of
 * memory. */
json_t *rj_json_text(const char *text);
json_t *rj_json_text_n(const char *text, size_t bytes);
/* The only way out again, to be freed: printable ASCII, so that a terminal
 * gets no controls, and 12 digits, which show whole microseconds exactly
 * without the noise of binary fractions. `layout` is 0 or JSON_INDENT(n).
 * NULL when out of memory. */
char *rj_json_dump(const json_t *value, size_t layout);
/* null for NULL and for "". */
json_t *rj_json_text_or_null(const char *text);

/* The value of a number that a peer sent, times `factor`. 0 if it is no number
 * or negative; at most 2^62. */
uint64_t rj_json_scaled(const json_t *number, double factor);
#endif
