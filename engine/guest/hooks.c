/* SPDX-License-Identifier: BSD-3-Clause */
/* The public calls for blockers and notifiers. */
#include <errno.h>

#include "engine/guest/guest.h"
#include "util/error.h"

RAMJET_API int ramjet_guest_add_blocker(struct ramjet_guest *guest,
					const char *reason,
					struct ramjet_error *err)
{
	int rc;

	rj_error_clear(err);
	if (!guest)
		return rj_fail(err, -EINVAL, "blocker: no guest");
	rj_lock(&guest->lock);
	rc = rj_blockers_add(&guest->blockers, reason, err);
	rj_unlock(&guest->lock);
	return rc;
}

RAMJET_API int ramjet_guest_del_blocker(struct ramjet_guest *guest,
					const char *reason)
{
	int rc;

	if (!guest || !reason)
		return -EINVAL;
	rj_lock(&guest->lock);
	rc = rj_blockers_remove(&guest->blockers, reason);
	rj_unlock(&guest->lock);
	return rc;
}

RAMJET_API int ramjet_notify(struct ramjet_guest *guest, ramjet_notify_fn *fn,
			     void *user, struct ramjet_error *err)
{
	rj_error_clear(err);
	if (!guest)
		return rj_fail(err, -EINVAL, "notify: no guest");
	return rj_notifiers_add(&guest->notifiers, fn, user, err);
}

RAMJET_API int ramjet_unnotify(struct ramjet_guest *guest, int id)
{
	if (!guest)
		return -EINVAL;
	return rj_notifiers_remove(&guest->notifiers, id);
}
