/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/base/json_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/utf8.h"

#define ESCAPED_BYTES 4 /* \xNN */
#define DEL_ESCAPED   "\\u007F"

/* `out` has room for the worst. Returns the length. */
static size_t escape(char *out, const char *text, size_t bytes)
{
	size_t used = 0, width;

	for (size_t at = 0; at < bytes; at += width ? width : 1) {
		width = rj_utf8_width(text + at, bytes - at);
		if (width)
			memcpy(out + used, text + at, width);
		else
			(void)snprintf(out + used, ESCAPED_BYTES + 1, "\\x%02x",
				       (unsigned char)text[at]);
		used += width ? width : ESCAPED_BYTES;
	}
	return used;
}

json_t *rj_json_text_n(const char *text, size_t bytes)
{
	rj_autofree char *escaped = NULL;

	if (rj_utf8_is_valid(text, bytes))
		return json_stringn_nocheck(text, bytes);
	escaped = malloc(bytes * ESCAPED_BYTES + 1);
	if (!escaped)
		return NULL;
	return json_stringn_nocheck(escaped, escape(escaped, text, bytes));
}

json_t *rj_json_text(const char *text)
{
	return rj_json_text_n(text, strlen(text));
}

json_t *rj_json_text_or_null(const char *text)
{
	return text && *text ? rj_json_text(text) : json_null();
}

/* jansson leaves DEL as it is. It stands in strings only. */
static char *escape_del(char *text)
{
	size_t count = 0, used = 0;
	char *out;

	for (const char *c = text; *c; c++)
		count += *c == '\x7f';
	if (!count)
		return text;
	out = malloc(strlen(text) + count * strlen(DEL_ESCAPED) + 1);
	for (const char *c = text; out && *c; c++) {
		if (*c != '\x7f') {
			out[used++] = *c;
			continue;
		}
		memcpy(out + used, DEL_ESCAPED, strlen(DEL_ESCAPED));
		used += strlen(DEL_ESCAPED);
	}
	if (out)
		out[used] = '\0';
	free(text);
	return out;
}

char *rj_json_dump(const json_t *value, size_t layout)
{
	char *text = json_dumps(
		value, JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12) | layout);

	return text ? escape_del(text) : NULL;
}

uint64_t rj_json_scaled(const json_t *number, double factor)
{
	const double most = (double)(UINT64_C(1) << 62);
	const double value = json_number_value(number) * factor;

	if (!(value > 0))
		return 0;
	return (uint64_t)(value < most ? value : most);
}
