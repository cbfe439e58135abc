/* SPDX-License-Identifier: BSD-3-Clause */
#include "dbus/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the well-formed character at text, 0 when there is none. */
static size_t utf8_width(const uint8_t *text, size_t left)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t point = text[0];
	size_t width;

	if (point < 0x80)
		return point != 0;
	width = point >= 0xf0 ? 4 : point >= 0xe0 ? 3 : point >= 0xc0 ? 2 : 0;
	if (!width || point >= 0xf8 || width > left)
		return 0;
	point &= 0xffu >> (width + 1);
	for (size_t i = 1; i < width; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3fu);
	}
	if (point < lowest[width] || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff))
		return 0;
	return width;
}

bool rj_text_is_utf8(const char *text, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		size_t width =
			utf8_width((const uint8_t *)text + at, bytes - at);

		if (!width)
			return false;
		at += width;
	}
	return true;
}

/* U+0080 to U+009F are controls to a terminal too: C2 80 to C2 9F. */
static bool is_plain(const uint8_t *text, size_t width)
{
	if (width == 1)
		return text[0] >= 0x20 && text[0] != 0x7f && text[0] != '\'';
	return width > 1 && !(text[0] == 0xc2 && text[1] < 0xa0);
}

size_t rj_text_print(char *out, size_t room, const char *text)
{
	const uint8_t *in = (const uint8_t *)text;
	size_t left = strlen(text);
	size_t used = 0, cut = 0;

	while (left) {
		size_t width = utf8_width(in, left);
		bool plain = is_plain(in, width);
		size_t taken = plain ? width : 1;

		if (used + sizeof("...") <= room)
			cut = used;
		if (used + (plain ? width : 4) >= room) {
			memcpy(out + cut, "...", 3);
			used = cut + 3;
			break;
		}
		if (plain)
			memcpy(out + used, in, width);
		else
			(void)snprintf(out + used, room - used, "\\x%02x",
				       in[0]);
		used += plain ? width : 4;
		in += taken;
		left -= taken;
	}
	out[used] = '\0';
	return used;
}

const char *rj_text_printable(struct rj_text *out, const char *text)
{
	(void)rj_text_print(out->s, sizeof(out->s), text);
	return out->s;
}

void rj_text_list_add(struct rj_text_list *list, const char *text)
{
	/* Kept free for " and 4294967295 more". */
	const size_t tail = 24;
	struct rj_text one;
	size_t length;

	length = rj_text_print(one.s, sizeof(one.s) - tail - 4, text);
	if (list->hidden || list->used + length + 4 + tail >= sizeof(list->s)) {
		list->hidden++;
		return;
	}
	list->used += (size_t)snprintf(list->s + list->used,
				       sizeof(list->s) - list->used, "%s'%s'",
				       list->shown ? ", " : "", one.s);
	list->shown++;
}

const char *rj_text_list_end(struct rj_text_list *list)
{
	if (list->hidden)
		(void)snprintf(list->s + list->used,
			       sizeof(list->s) - list->used, " and %u more",
			       list->hidden);
	else if (!list->shown)
		(void)snprintf(list->s, sizeof(list->s), "none");
	return list->s;
}
