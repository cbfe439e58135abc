/* SPDX-License-Identifier: BSD-3-Clause */
#include "dbus/vmstate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/handle.h"
#include "dbus/judge.h"
#include "util/cleanup.h"
#include "util/error.h"

RJ_DEFINE_CLEANUP(struct rj_helpers *, rj_helpers_free);

bool rj_helpers_supported(void)
{
	return true;
}

/* ---- open and close -------------------------------------------------- */

int rj_helpers_connect(const struct ramjet_helper_options *options,
		       const struct rj_log *log, int wake_fd,
		       struct rj_helpers **ret, struct ramjet_error *err)
{
	rj_cleanup(rj_helpers_freep) struct rj_helpers *h = NULL;
	struct ramjet_helper_options known;
	struct rj_roster_rules rules;
	int rc = rj_helpers_check_options(options, &known, err);

	if (rc < 0)
		return rc;
	h = calloc(1, sizeof(*h));
	if (!h)
		return rj_fail(err, -ENOMEM, "helpers: out of memory");
	h->wake_fd = wake_fd;
	if (log)
		h->log = *log;
	rules.helpers_max = known.helpers_max;
	rules.uid = known.helper_uid;
	rc = rj_id_list_parse(known.id_list, &rules.list, err);
	if (rc < 0)
		return rc;
	rj_roster_init(&h->roster, &h->bus, &rules);
	rc = rj_bus_open(&h->bus, known.bus_address, err);
	if (rc < 0)
		return rc;
	h->options = known;
	h->options.bus_address = h->options.id_list = NULL;
	*ret = rj_steal(h);
	return 0;
}

int rj_helpers_discover(struct rj_helpers *h, struct ramjet_error *err)
{
	int rc = rj_helpers_begin(h, RJ_HELPERS_START, 0, err);

	return rc < 0 ? rc : rj_helpers_finish(h, err);
}

static void log_found(const struct rj_helpers *h)
{
	struct rj_text id;

	for (size_t i = 0; i < h->roster.count; i++) {
		const struct rj_member *member = h->roster.members[i];

		if (member->takes_part)
			rj_log(&h->log, RJ_LOG_INFO,
			       "helper '%s' (%s) takes part",
			       rj_text_printable(&id, member->id),
			       member->bus_name);
	}
}

int rj_helpers_open(const struct ramjet_helper_options *options,
		    const struct rj_log *log, int wake_fd,
		    struct rj_helpers **ret, struct ramjet_error *err)
{
	rj_cleanup(rj_helpers_freep) struct rj_helpers *h = NULL;
	int rc = rj_helpers_connect(options, log, wake_fd, &h, err);

	if (rc >= 0)
		rc = rj_helpers_discover(h, err);
	if (rc < 0)
		return rc;
	log_found(h);
	*ret = rj_steal(h);
	return 0;
}

void rj_helpers_free(struct rj_helpers *h)
{
	if (!h)
		return;
	/* Slots before the connection they belong to. */
	rj_roster_done(&h->roster);
	rj_bus_close(&h->bus);
	free(h->items);
	free(h);
}

size_t rj_helpers_count(const struct rj_helpers *h)
{
	size_t count = 0;

	for (size_t i = 0; i < h->roster.count; i++)
		count += h->roster.members[i]->takes_part;
	return count;
}

int rj_helpers_check(struct rj_helpers *h, struct ramjet_error *err)
{
	int rc = rj_bus_dispatch(&h->bus, err);

	return rc < 0 ? rc : rj_roster_check_gone(&h->roster, err);
}

struct rj_blob_limits rj_helpers_blob_limits(const struct rj_helpers *h)
{
	return (struct rj_blob_limits){
		.items_max = h->options.helpers_max,
		.item_bytes_max = h->options.state_bytes_max,
		.total_bytes_max = h->options.total_bytes_max,
	};
}

/* ---- the source ------------------------------------------------------ */

int rj_helpers_begin_save(struct rj_helpers *h, uint64_t deadline_ns,
			  struct ramjet_error *err)
{
	return rj_helpers_begin(h, RJ_HELPERS_SAVE, deadline_ns, err);
}

int rj_helpers_finish_save(struct rj_helpers *h, void **ret_blob,
			   size_t *ret_bytes, struct ramjet_error *err)
{
	const struct rj_blob_limits limits = rj_helpers_blob_limits(h);
	rj_autofree struct rj_blob_item *items = NULL;
	size_t count = 0;
	int rc;

	if (!h->saved)
		return rj_fail(err, -EINVAL,
			       "helpers: nothing was saved, or it was taken");
	items = calloc(h->roster.count + 1, sizeof(*items));
	if (!items)
		return rj_fail(err, -ENOMEM, "helpers: out of memory");
	for (size_t i = 0; i < h->roster.count; i++) {
		const struct rj_member *member = h->roster.members[i];

		if (!member->takes_part)
			continue;
		memcpy(items[count].id, member->id, sizeof(member->id));
		items[count].data = member->state;
		items[count++].bytes = member->bytes;
	}
	rc = rj_blob_write(items, count, &limits, ret_blob, ret_bytes, err);
	rj_calls_drop(&h->roster);
	h->saved = false;
	return rc;
}

int rj_helpers_save_all(struct rj_helpers *h, uint64_t deadline_ns,
			void **ret_blob, size_t *ret_bytes,
			struct ramjet_error *err)
{
	int rc = rj_helpers_begin_save(h, deadline_ns, err);

	if (rc >= 0)
		rc = rj_helpers_finish(h, err);
	if (rc >= 0)
		rc = rj_helpers_finish_save(h, ret_blob, ret_bytes, err);
	return rc;
}

int rj_helpers_rehearse(struct rj_helpers *h, uint64_t deadline_ns,
			struct ramjet_error *err)
{
	rj_autofree void *blob = NULL;
	size_t bytes;

	return rj_helpers_save_all(h, deadline_ns, &blob, &bytes, err);
}

/* ---- the target ------------------------------------------------------ */

int rj_helpers_load_all(struct rj_helpers *h, const void *blob, size_t bytes,
			uint64_t deadline_ns, struct ramjet_error *err)
{
	const struct rj_blob_limits limits = rj_helpers_blob_limits(h);
	int rc = rj_helpers_read(&limits, blob, bytes, &h->items,
				 &h->item_count, err);

	if (rc < 0)
		return rc;
	rc = rj_helpers_begin(h, RJ_HELPERS_LOAD, deadline_ns, err);
	if (rc >= 0)
		rc = rj_helpers_finish(h, err);
	free(h->items);
	h->items = NULL;
	h->item_count = 0;
	return rc;
}
