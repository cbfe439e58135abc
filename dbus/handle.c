/* SPDX-License-Identifier: BSD-3-Clause */
#include "dbus/handle.h"

#include <errno.h>
#include <stdlib.h>

#include "dbus/options.h"
#include "util/cleanup.h"
#include "util/error.h"

RJ_DEFINE_CLEANUP(struct rj_helpers *, rj_handle_free);

int rj_handle_connect(const struct ramjet_helper_options *options,
		      const struct rj_log *log, int wake_fd,
		      struct rj_helpers **ret, struct ramjet_error *err)
{
	rj_cleanup(rj_handle_freep) struct rj_helpers *h = NULL;
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

void rj_handle_free(struct rj_helpers *h)
{
	if (!h)
		return;
	/* Slots before the connection they belong to. */
	rj_roster_done(&h->roster);
	rj_bus_close(&h->bus);
	free(h->items);
	free(h);
}

struct rj_blob_limits rj_handle_blob_limits(const struct rj_helpers *h)
{
	return (struct rj_blob_limits){
		.items_max = h->options.helpers_max,
		.item_bytes_max = h->options.state_bytes_max,
		.total_bytes_max = h->options.total_bytes_max,
	};
}
