/* SPDX-License-Identifier: BSD-3-Clause */
/* The layer where libsystemd is there: dbus/vmstate.h over a handle. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/arriving.h"
#include "dbus/handle.h"
#include "dbus/judge.h"
#include "dbus/operation.h"
#include "dbus/vmstate.h"
#include "util/cleanup.h"
#include "util/error.h"

RJ_DEFINE_CLEANUP(struct rj_helpers *, rj_helpers_free);

bool rj_helpers_supported(void)
{
	return true;
}

/* ---- open and close -------------------------------------------------- */

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
	int rc = rj_handle_connect(options, log, wake_fd, &h, err);

	if (rc >= 0)
		rc = rj_operation_discover(h, err);
	if (rc < 0)
		return rc;
	log_found(h);
	*ret = rj_steal(h);
	return 0;
}

void rj_helpers_free(struct rj_helpers *h)
{
	rj_handle_free(h);
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

/* ---- the source ------------------------------------------------------ */

int rj_helpers_begin_save(struct rj_helpers *h, uint64_t deadline_ns,
			  struct ramjet_error *err)
{
	return rj_operation_begin(h, RJ_HELPERS_SAVE, deadline_ns, err);
}

int rj_helpers_process(struct rj_helpers *h, struct ramjet_error *err)
{
	return rj_operation_process(h, err);
}

void rj_helpers_abort(struct rj_helpers *h)
{
	if (h)
		rj_operation_abort(h);
}

int rj_helpers_poll(struct rj_helpers *h, struct pollfd *ret,
		    uint64_t *ret_deadline_ns)
{
	return rj_operation_poll(h, ret, ret_deadline_ns);
}

int rj_helpers_finish_save(struct rj_helpers *h, void **ret_blob,
			   size_t *ret_bytes, struct ramjet_error *err)
{
	const struct rj_blob_limits limits = rj_handle_blob_limits(h);
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
		rc = rj_operation_finish(h, err);
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

int rj_helpers_check_arriving(struct rj_helpers *h, const void *blob,
			      size_t bytes, struct ramjet_error *err)
{
	rj_autofree struct rj_blob_item *items = NULL;
	size_t count;
	int rc = rj_arriving_read(h, blob, bytes, &items, &count, err);

	return rc < 0 ? rc : rj_arriving_match(h, items, count, err);
}

int rj_helpers_load_all(struct rj_helpers *h, const void *blob, size_t bytes,
			uint64_t deadline_ns, struct ramjet_error *err)
{
	int rc = rj_arriving_read(h, blob, bytes, &h->items, &h->item_count,
				  err);

	if (rc < 0)
		return rc;
	rc = rj_operation_begin(h, RJ_HELPERS_LOAD, deadline_ns, err);
	if (rc >= 0)
		rc = rj_operation_finish(h, err);
	free(h->items);
	h->items = NULL;
	h->item_count = 0;
	return rc;
}
