/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_ARRIVING_H
#define RJ_DBUS_ARRIVING_H
/* Checks of an arriving blob, before any helper is asked to load. */
#include "dbus/handle.h"

/* Within the limits of `helpers`, or where none are configured (NULL) those of
 * a default handle. A blob of 0 bytes is an empty one. */
RJ_NODISCARD int rj_arriving_read(const struct rj_helpers *helpers,
				  const void *blob, size_t bytes,
				  struct rj_blob_item **ret_items,
				  size_t *ret_count, struct ramjet_error *err);
/* Every arriving state has its helper, every listed Id its state. */
RJ_NODISCARD int rj_arriving_match(const struct rj_helpers *helpers,
				   const struct rj_blob_item *items,
				   size_t count, struct ramjet_error *err);
/* Log a warning for each participant whose state did not arrive. */
void rj_arriving_log_left_alone(const struct rj_helpers *helpers,
				const struct rj_blob_item *items, size_t count);
#endif
