/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_OPTIONS_H
#define RJ_DBUS_OPTIONS_H
/* What a user says about helpers, checked before any bus is looked at. Also
 * without libsystemd. */
#include "ramjet-helper.h"
#include "util/compiler.h"

/* -EINVAL unless all of it are unix: addresses; whether a bus is there is not
 * looked at. */
RJ_NODISCARD int rj_helpers_check_address(const char *address,
					  struct ramjet_error *err);
/* Take the user's options over the defaults: size, form and range checks. The
 * strings stay borrowed. Of *ret only timeouts may be 0, for none. */
RJ_NODISCARD int rj_helpers_check_options(
	const struct ramjet_helper_options *options,
	struct ramjet_helper_options *ret, struct ramjet_error *err);
#endif
