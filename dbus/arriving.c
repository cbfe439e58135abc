/* SPDX-License-Identifier: BSD-3-Clause */
#include "dbus/arriving.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

/* Where no helpers are configured only the shape matters; the limits of a
 * default handle do. */
static const struct rj_blob_limits default_limits = {
	.items_max = 64,
	.item_bytes_max = 1u << 20,
	.total_bytes_max = 64u << 20,
};

int rj_arriving_read(const struct rj_helpers *h, const void *blob, size_t bytes,
		     struct rj_blob_item **ret_items, size_t *ret_count,
		     struct ramjet_error *err)
{
	static const uint8_t empty[4];
	const struct rj_blob_limits limits =
		h ? rj_handle_blob_limits(h) : default_limits;

	if (!bytes) {
		blob = empty;
		bytes = sizeof(empty);
	}
	return rj_blob_read(blob, bytes, &limits, ret_items, ret_count, err);
}

static bool has_item(const struct rj_blob_item *items, size_t count,
		     const char *id)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(items[i].id, id))
			return true;
	}
	return false;
}

static int match_helpers(const struct rj_helpers *h,
			 const struct rj_blob_item *items, size_t count,
			 struct ramjet_error *err)
{
	struct rj_text_list homeless = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (!h || !rj_roster_find(&h->roster, items[i].id))
			rj_text_list_add(&homeless, items[i].id);
	}
	if (!homeless.shown)
		return 0;
	return rj_fail(err, -ENOENT, "helpers: state of %s arrived, %s",
		       rj_text_list_end(&homeless),
		       h ? "which no helper taking part here has"
			 : "but no helpers are configured here");
}

static int match_list(const struct rj_id_list *list,
		      const struct rj_blob_item *items, size_t count,
		      struct ramjet_error *err)
{
	struct rj_text_list missing = { 0 };

	for (size_t i = 0; i < list->count; i++) {
		if (!has_item(items, count, list->ids[i]))
			rj_text_list_add(&missing, list->ids[i]);
	}
	if (!missing.shown)
		return 0;
	return rj_fail(err, -ENOENT,
		       "helpers: the id-list here names %s, whose state did "
		       "not arrive",
		       rj_text_list_end(&missing));
}

void rj_arriving_log_left_alone(const struct rj_helpers *h,
				const struct rj_blob_item *items, size_t count)
{
	struct rj_text id;

	for (size_t i = 0; i < h->roster.count; i++) {
		const struct rj_member *member = h->roster.members[i];

		if (member->takes_part && !has_item(items, count, member->id))
			rj_log(&h->log, RJ_LOG_WARNING,
			       "helper '%s' (%s): nothing arrived for it, it "
			       "is left alone",
			       rj_text_printable(&id, member->id),
			       member->bus_name);
	}
}

int rj_arriving_match(const struct rj_helpers *h,
		      const struct rj_blob_item *items, size_t count,
		      struct ramjet_error *err)
{
	int rc = match_helpers(h, items, count, err);

	if (rc < 0 || !h)
		return rc;
	return match_list(&h->roster.rules.list, items, count, err);
}
