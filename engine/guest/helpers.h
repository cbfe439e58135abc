/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GUEST_HELPERS_H
#define RJ_ENGINE_GUEST_HELPERS_H
#include "engine/guest/guest.h"
#include "ramjet-helper.h"

/* False when the guest has no helpers. Strings are borrowed from the guest,
 * unchanged while it is migrated. */
bool rj_guest_helper_options(struct ramjet_guest *guest,
			     struct ramjet_helper_options *ret);
/* Forget them. */
void rj_guest_clear_helpers(struct ramjet_guest *guest);
#endif
