/* SPDX-License-Identifier: BSD-3-Clause */
/* ramjet_helpers_*: the public calls to list helpers, and to save and load
 * their states without a migration. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/handle.h"
#include "dbus/operation.h"
#include "dbus/vmstate.h"
#include "util/cleanup.h"
#include "util/error.h"

RJ_DEFINE_CLEANUP(struct rj_helpers *, rj_helpers_free);

static void fill(struct ramjet_helper_info *info,
		 const struct rj_member *member)
{
	info->size = sizeof(*info);
	memcpy(info->id, member->id, sizeof(member->id));
	memcpy(info->bus_name, member->bus_name, sizeof(member->bus_name));
	memcpy(info->problem, member->problem, sizeof(member->problem));
	info->has_uid = member->has_uid;
	info->uid = member->uid;
	info->takes_part = member->takes_part;
	info->loaded = member->loaded;
	info->bytes = member->bytes;
	info->save_us = member->save_us;
	info->load_us = member->load_us;
}

static bool is_there(const struct rj_roster *roster, const char *id)
{
	for (size_t i = 0; i < roster->count; i++) {
		if (!strcmp(roster->members[i]->id, id))
			return true;
	}
	return false;
}

static int by_id(const void *a, const void *b)
{
	const struct ramjet_helper_info *x = a, *y = b;
	int order = strcmp(x->id, y->id);

	return order ? order : strcmp(x->bus_name, y->bus_name);
}

/* All helpers on the bus, and those of the id-list that are missing. */
static int describe(const struct rj_helpers *h, struct ramjet_helper_info **ret,
		    size_t *ret_count)
{
	const struct rj_id_list *list = &h->roster.rules.list;
	struct ramjet_helper_info *infos =
		calloc(h->roster.count + list->count + 1, sizeof(*infos));
	size_t count = 0;

	if (!infos)
		return -ENOMEM;
	for (size_t i = 0; i < h->roster.count; i++) {
		if (!h->roster.members[i]->gone)
			fill(&infos[count++], h->roster.members[i]);
	}
	for (size_t i = 0; i < list->count; i++) {
		struct ramjet_helper_info *info = &infos[count];

		if (is_there(&h->roster, list->ids[i]))
			continue;
		info->size = sizeof(*info);
		(void)snprintf(info->id, sizeof(info->id), "%s", list->ids[i]);
		(void)snprintf(info->problem, sizeof(info->problem),
			       "no helper on the bus has this Id");
		count++;
	}
	if (count > 1)
		qsort(infos, count, sizeof(*infos), by_id);
	*ret = infos;
	*ret_count = count;
	return 0;
}

static int hand_out(const struct rj_helpers *h, int rc,
		    struct ramjet_helper_info **ret, size_t *ret_count,
		    struct ramjet_error *err)
{
	struct ramjet_helper_info *infos;
	size_t count;

	if (rc < 0 || !ret)
		return rc;
	rc = describe(h, &infos, &count);
	if (rc < 0)
		return rj_fail(err, rc, "helpers: out of memory");
	*ret = infos;
	if (ret_count)
		*ret_count = count;
	return 0;
}

RAMJET_API int ramjet_helpers_list(const struct ramjet_helper_options *options,
				   struct ramjet_helper_info **ret_helpers,
				   size_t *ret_count, struct ramjet_error *err)
{
	rj_cleanup(rj_helpers_freep) struct rj_helpers *h = NULL;
	struct ramjet_error refusal = { 0 };
	int rc = rj_handle_connect(options, NULL, -1, &h, err);

	if (rc < 0)
		return rc;
	rc = rj_operation_discover(h, &refusal);
	/* If the rules refuse one, each member's `problem` says why: no
	 * error. */
	if (rc < 0 && !h->roster.judged)
		return rj_fail(err, rc, "%s", refusal.message);
	return hand_out(h, 0, ret_helpers, ret_count, err);
}

RAMJET_API int ramjet_helpers_save(const struct ramjet_helper_options *options,
				   void **ret_data, size_t *ret_bytes,
				   struct ramjet_helper_info **ret_helpers,
				   size_t *ret_count, struct ramjet_error *err)
{
	rj_cleanup(rj_helpers_freep) struct rj_helpers *h = NULL;
	rj_autofree void *blob = NULL;
	size_t bytes;
	int rc = rj_helpers_open(options, NULL, -1, &h, err);

	if (rc >= 0)
		rc = rj_helpers_save_all(h, 0, &blob, &bytes, err);
	rc = hand_out(h, rc, ret_helpers, ret_count, err);
	if (rc < 0)
		return rc;
	*ret_data = rj_steal(blob);
	*ret_bytes = bytes;
	return 0;
}

RAMJET_API int ramjet_helpers_load(const struct ramjet_helper_options *options,
				   const void *data, size_t bytes,
				   struct ramjet_helper_info **ret_helpers,
				   size_t *ret_count, struct ramjet_error *err)
{
	rj_cleanup(rj_helpers_freep) struct rj_helpers *h = NULL;
	int rc = rj_helpers_open(options, NULL, -1, &h, err);

	if (rc >= 0)
		rc = rj_helpers_load_all(h, data, bytes, 0, err);
	return hand_out(h, rc, ret_helpers, ret_count, err);
}

RAMJET_API void ramjet_helpers_free(struct ramjet_helper_info *helpers)
{
	free(helpers);
}
