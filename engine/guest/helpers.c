/* SPDX-License-Identifier: BSD-3-Clause */
/* Which helpers a guest has. */
#include "engine/guest/helpers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/vmstate.h"
#include "util/cleanup.h"
#include "util/error.h"

bool rj_guest_helper_options(struct ramjet_guest *guest,
			     struct ramjet_helper_options *ret)
{
	bool has;

	rj_lock(&guest->lock);
	has = guest->has_helpers;
	*ret = guest->helpers;
	rj_unlock(&guest->lock);
	return has;
}

static void clear_locked(struct ramjet_guest *guest) RJ_REQUIRES(guest->lock)
{
	free((char *)(uintptr_t)guest->helpers.bus_address);
	free((char *)(uintptr_t)guest->helpers.id_list);
	guest->helpers.bus_address = guest->helpers.id_list = NULL;
	guest->has_helpers = false;
}

void rj_guest_clear_helpers(struct ramjet_guest *guest)
{
	rj_lock(&guest->lock);
	clear_locked(guest);
	rj_unlock(&guest->lock);
}

static int set_locked(struct ramjet_guest *guest,
		      const struct ramjet_helper_options *options,
		      struct ramjet_error *err) RJ_REQUIRES(guest->lock)
{
	rj_autofree char *address = NULL;
	rj_autofree char *list = NULL;

	if (guest->busy)
		return rj_fail(err, -EBUSY,
			       "helpers: the guest is being migrated");
	if (!options) {
		clear_locked(guest);
		return 0;
	}
	address = strdup(options->bus_address);
	list = options->id_list ? strdup(options->id_list) : NULL;
	if (!address || (options->id_list && !list))
		return rj_fail(err, -ENOMEM, "helpers: out of memory");
	clear_locked(guest);
	guest->helpers = *options;
	guest->helpers.bus_address = rj_steal(address);
	guest->helpers.id_list = rj_steal(list);
	guest->has_helpers = true;
	return 0;
}

RAMJET_API int ramjet_guest_set_helpers(
	struct ramjet_guest *guest, const struct ramjet_helper_options *options,
	struct ramjet_error *err)
{
	struct ramjet_helper_options checked;
	int rc = 0;

	rj_error_clear(err);
	if (!guest)
		return rj_fail(err, -EINVAL, "helpers: no guest");
	if (options)
		rc = rj_helpers_check_options(options, &checked, err);
	if (rc)
		return rc;
	rj_lock(&guest->lock);
	rc = set_locked(guest, options ? &checked : NULL, err);
	rj_unlock(&guest->lock);
	return rc;
}
