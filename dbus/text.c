/* SPDX-License-Identifier: BSD-3-Clause */
#include "dbus/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "util/utf8.h"

size_t rj_text_print(char *out, size_t room, const char *text)
{
	const uint8_t *in = (const uint8_t *)text;
	size_t left = strlen(text);
	size_t used = 0, cut = 0;

	while (left) {
		size_t width = rj_utf8_printable_width(in, left);
		bool plain = width && in[0] != '\'';
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
