/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_TEXT_H
#define RJ_DBUS_TEXT_H
/* Text from helpers and peers, made fit for messages: a hostile Id must not
 * reach a terminal as control sequences, nor push the reason out of sight. */
#include <stdbool.h>
#include <stddef.h>

#define RJ_TEXT_MAX 320u

struct rj_text {
	char s[RJ_TEXT_MAX];
};

/* Controls, quotes and bytes that are no UTF-8 become \xNN; cut with "..."
 * to fit `room` (at least 8) with its NUL. Returns the length. */
size_t rj_text_print(char *out, size_t room, const char *text);
/* The same for a message's usual room; returns out->s. */
const char *rj_text_printable(struct rj_text *out, const char *text);

/* A list of quoted Ids that always fits a message: 'a', 'b' and 12 more. */
struct rj_text_list {
	char s[RJ_TEXT_MAX];
	size_t used;
	unsigned shown;
	unsigned hidden;
};
void rj_text_list_add(struct rj_text_list *list, const char *text);
/* "none" for an empty list. Call once, when all are added. */
const char *rj_text_list_end(struct rj_text_list *list);
#endif
