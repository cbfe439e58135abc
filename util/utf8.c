/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/utf8.h"

#include <stdint.h>
#include <string.h>

#define WIDTH_MAX 4u

static bool is_tail(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

/* What the first byte promises; 0: it begins nothing. */
static size_t promised_width(uint8_t lead)
{
	if (lead < 0x80)
		return lead != 0;
	if (lead < 0xc0 || lead >= 0xf8)
		return 0;
	return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

size_t rj_utf8_width(const void *text, size_t left)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *in = text;
	const size_t width = promised_width(in[0]);
	uint32_t point;

	if (width <= 1)
		return width;
	if (width > left)
		return 0;
	point = in[0] & (0xffu >> (width + 1));
	for (size_t i = 1; i < width; i++) {
		if (!is_tail(in[i]))
			return 0;
		point = point << 6 | (in[i] & 0x3fu);
	}
	if (point < lowest[width] || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff))
		return 0;
	return width;
}

size_t rj_utf8_printable_width(const void *text, size_t left)
{
	const uint8_t *in = text;
	const size_t width = rj_utf8_width(text, left);

	if (width == 1)
		return in[0] >= 0x20 && in[0] != 0x7f;
	return width == 2 && in[0] == 0xc2 && in[1] < 0xa0 ? 0 : width;
}

static bool is_all(const void *text, size_t bytes,
		   size_t (*width_of)(const void *text, size_t left))
{
	const uint8_t *in = text;
	size_t width;

	for (size_t at = 0; at < bytes; at += width) {
		width = width_of(in + at, bytes - at);
		if (!width)
			return false;
	}
	return true;
}

bool rj_utf8_is_valid(const void *text, size_t bytes)
{
	return is_all(text, bytes, rj_utf8_width);
}

bool rj_utf8_is_printable(const void *text, size_t bytes)
{
	return is_all(text, bytes, rj_utf8_printable_width);
}

void rj_utf8_trim(char *text)
{
	const size_t bytes = strlen(text);

	for (size_t back = 1; back <= bytes && back < WIDTH_MAX; back++) {
		const uint8_t byte = (uint8_t)text[bytes - back];

		if (is_tail(byte))
			continue;
		if (promised_width(byte) > back)
			text[bytes - back] = '\0';
		return;
	}
}
