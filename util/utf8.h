/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_UTF8_H
#define RJ_UTIL_UTF8_H
/* The one judge of UTF-8: no overlong forms, no surrogates, nothing above
 * U+10FFFF, no NUL. What is accepted here is accepted by every strict reader
 * of it: terminals, JSON, D-Bus. */
#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character that begins `text`, of which `left` (at least 1) may
 * be read; 0: there is none. */
size_t rj_utf8_width(const void *text, size_t left);
/* The same, and 0 for controls too: C0, DEL, and C1 (U+0080 to U+009F). */
size_t rj_utf8_printable_width(const void *text, size_t left);

bool rj_utf8_is_valid(const void *text, size_t bytes);
bool rj_utf8_is_printable(const void *text, size_t bytes);

/* A text that was cut at some byte loses the half of a character it may end
 * with. Text that ends otherwise is left alone. */
void rj_utf8_trim(char *text);
#endif
