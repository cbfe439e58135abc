/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that its owner has paused: ramjet starts it on neither side. */
#include <errno.h>

#include "engine/guest/guest.h"

bool rj_guest_settle_paused(struct ramjet_guest *guest)
{
	bool paused;

	rj_lock(&guest->lock);
	guest->paused_told = true;
	paused = guest->paused;
	rj_unlock(&guest->lock);
	return paused;
}

void rj_guest_arrive_paused(struct ramjet_guest *guest)
{
	rj_lock(&guest->lock);
	guest->paused = true;
	rj_unlock(&guest->lock);
}

RAMJET_API int ramjet_guest_set_paused(struct ramjet_guest *guest, bool paused)
{
	int rc = 0;

	if (!guest)
		return -EINVAL;
	rj_lock(&guest->lock);
	if (guest->paused_told && paused != guest->paused)
		rc = -EALREADY;
	else
		guest->paused = paused;
	rj_unlock(&guest->lock);
	return rc;
}

RAMJET_API bool ramjet_guest_is_paused(struct ramjet_guest *guest)
{
	bool paused;

	if (!guest)
		return false;
	rj_lock(&guest->lock);
	paused = guest->paused;
	rj_unlock(&guest->lock);
	return paused;
}
