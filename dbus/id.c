/* SPDX-License-Identifier: BSD-3-Clause */
#include "dbus/id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/text.h"
#include "util/error.h"
#include "util/utf8.h"

const char *rj_id_problem(const char *id, size_t bytes)
{
	if (!bytes)
		return "is empty, wanted 1 to 255 bytes";
	if (bytes > RJ_ID_BYTES_MAX)
		return "is longer than 255 bytes";
	if (!rj_utf8_is_valid(id, bytes))
		return "is not UTF-8 text";
	return NULL;
}

bool rj_id_list_has(const struct rj_id_list *list, const char *id)
{
	for (size_t i = 0; i < list->count; i++) {
		if (!strcmp(list->ids[i], id))
			return true;
	}
	return false;
}

static int add_id(struct rj_id_list *list, const char *id,
		  struct ramjet_error *err)
{
	const char *problem = rj_id_problem(id, strlen(id));
	struct rj_text shown;

	if (problem)
		return rj_fail(err, -EINVAL, "id-list: the Id '%s' %s",
			       rj_text_printable(&shown, id), problem);
	if (!rj_id_list_has(list, id))
		list->ids[list->count++] = id;
	return 0;
}

static int parse(struct rj_id_list *list, struct ramjet_error *err)
{
	char *at = list->text;
	int rc = 0;

	while (at && !rc) {
		char *comma = strchr(at, ',');

		if (comma)
			*comma = '\0';
		rc = add_id(list, at, err);
		at = comma ? comma + 1 : NULL;
	}
	return rc;
}

int rj_id_list_parse(const char *text, struct rj_id_list *ret,
		     struct ramjet_error *err)
{
	struct rj_id_list list = { .given = text != NULL };
	size_t commas = 0;
	int rc;

	*ret = (struct rj_id_list){ 0 };
	if (!text)
		return 0;
	for (const char *at = text; *at; at++)
		commas += *at == ',';
	list.text = strdup(text);
	list.ids = calloc(commas + 1, sizeof(*list.ids));
	if (!list.text || !list.ids)
		rc = rj_fail(err, -ENOMEM, "id-list: out of memory");
	else
		rc = parse(&list, err);
	if (rc < 0)
		rj_id_list_done(&list);
	else
		*ret = list;
	return rc;
}

void rj_id_list_done(struct rj_id_list *list)
{
	free(list->text);
	free(list->ids);
	*list = (struct rj_id_list){ 0 };
}
