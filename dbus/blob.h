/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_BLOB_H
#define RJ_DBUS_BLOB_H
/*
 * The helpers' states as one piece of bytes, in the layout QEMU publishes.
 * All integers big-endian:
 *
 *   u32 count, then count times: u32 id_length (1..255), id (no NUL),
 *   u32 data_length, data
 *
 * The writer orders by Id, so equal states give equal bytes. The reader takes
 * any order and refuses everything else: it is fed by the network.
 */
#include <stddef.h>
#include <stdint.h>

#include "dbus/id.h"

struct rj_blob_item {
	char id[RJ_ID_BYTES_MAX + 1];
	const void *data; /* borrowed */
	size_t bytes;
};

struct rj_blob_limits {
	uint32_t items_max;
	uint64_t item_bytes_max;
	uint64_t total_bytes_max; /* of all data, without Ids and lengths */
};

/* Sorts `items` in place. *ret_data is *returned*, to be free()d. -EEXIST on
 * equal Ids, -EINVAL on a bad Id, -EMSGSIZE beyond the limits. */
RJ_NODISCARD int rj_blob_write(struct rj_blob_item *items, size_t count,
			       const struct rj_blob_limits *limits,
			       void **ret_data, size_t *ret_bytes,
			       struct ramjet_error *err);

/* *ret_items is *returned*, to be free()d, ordered by Id; their data points
 * into `blob`. -EBADMSG when malformed, -EMSGSIZE beyond the limits. */
RJ_NODISCARD int rj_blob_read(const void *blob, size_t bytes,
			      const struct rj_blob_limits *limits,
			      struct rj_blob_item **ret_items,
			      size_t *ret_count, struct ramjet_error *err);
#endif
