/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_ABSENT_H
#define RJ_DBUS_ABSENT_H
/* The layer where libsystemd was not there when ramjet was built: absent.c
 * instead of present.c and what that is built on, absent_api.c instead of the
 * public functions. */
#include "ramjet.h"

/* -EOPNOTSUPP, and says why. */
int rj_helpers_absent(struct ramjet_error *err);
#endif
