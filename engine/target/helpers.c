/* SPDX-License-Identifier: BSD-3-Clause */
/* The target's own helpers, before anything comes for them. */
#include "engine/guest/helpers.h"
#include "dbus/vmstate.h"
#include "engine/target/incoming.h"

int rj_target_open_helpers(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct ramjet_helper_options options;

	if (!rj_guest_helper_options(m->guest, &options))
		return 0;
	return rj_helpers_open(&options, &m->log, m->wake_fd, &m->in->helpers,
			       err);
}

uint64_t rj_target_helper_bytes_max(struct ramjet_migration *m)
{
	const struct ramjet_helper_options usual = {
		RAMJET_HELPER_OPTIONS_INIT
	};
	struct ramjet_helper_options options;

	/* A guest without helpers takes the states as well, so that the error
	 * can name the helpers that are missing. */
	if (!rj_guest_helper_options(m->guest, &options))
		options = usual;
	/* Beside the states: a length and an Id of at most 255 bytes each. */
	return options.total_bytes_max + 4 +
	       (uint64_t)options.helpers_max * (255 + 8);
}
