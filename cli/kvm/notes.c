/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void rj_kvm_note(struct rj_kvm_notes *notes, const char *format, ...)
{
	static const char more[] = "...";
	size_t used, room;
	va_list args;
	int length;

	if (!notes)
		return;
	used = strlen(notes->text);
	room = sizeof(notes->text) - used;
	if (room <= 2 * sizeof(more))
		return;
	length = snprintf(notes->text + used, room, "%s", used ? "; " : "");
	used += (size_t)length;
	room -= (size_t)length;
	va_start(args, format);
	length = vsnprintf(notes->text + used, room, format, args);
	va_end(args);
	if (length >= 0 && (size_t)length + 2 * sizeof(more) < room)
		return;
	memcpy(notes->text + sizeof(notes->text) - sizeof(more), more,
	       sizeof(more));
	/* Close what the cut left between the text and its mark. */
	used = strnlen(notes->text, sizeof(notes->text));
	if (used < sizeof(notes->text) - sizeof(more))
		memset(notes->text + used, '.',
		       sizeof(notes->text) - sizeof(more) - used);
}
