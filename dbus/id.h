/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_ID_H
#define RJ_DBUS_ID_H
/* Ids of helpers and the id-list that says which of them take part. */
#include <stdbool.h>
#include <stddef.h>

#include "ramjet.h"
#include "util/compiler.h"

#define RJ_ID_BYTES_MAX 255u

/* What is wrong with an Id, NULL when nothing is: 1 to 255 bytes of UTF-8.
 * Static text, fit to follow "the Id ". */
const char *rj_id_problem(const char *id, size_t bytes);

struct rj_id_list {
	bool given; /* false: every helper takes part */
	char *text; /* the Ids, each with its NUL */
	const char **ids;
	size_t count;
};

/* `text` as "a,b,c", taken literally (spaces count); NULL: no list. Naming an
 * Id twice is the same as once. -EINVAL for an empty or overlong Id. */
RJ_NODISCARD int rj_id_list_parse(const char *text, struct rj_id_list *ret,
				  struct ramjet_error *err);
void rj_id_list_done(struct rj_id_list *list);
bool rj_id_list_has(const struct rj_id_list *list, const char *id);
#endif
