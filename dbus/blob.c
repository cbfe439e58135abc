/* SPDX-License-Identifier: BSD-3-Clause */
#include "dbus/blob.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/text.h"
#include "util/cleanup.h"
#include "util/error.h"

/* id_length, one byte of Id, data_length. */
#define ITEM_BYTES_MIN 9u

static int by_id(const void *a, const void *b)
{
	const struct rj_blob_item *x = a, *y = b;

	return strcmp(x->id, y->id);
}

/* Order the items and refuse equal Ids, with `code`. */
static int sort_items(struct rj_blob_item *items, size_t count, int code,
		      struct ramjet_error *err)
{
	struct rj_text shown;

	if (count > 1)
		qsort(items, count, sizeof(*items), by_id);
	for (size_t i = 1; i < count; i++) {
		if (!strcmp(items[i - 1].id, items[i].id))
			return rj_fail(err, code,
				       "helpers' state: the Id '%s' is there "
				       "twice",
				       rj_text_printable(&shown, items[i].id));
	}
	return 0;
}

/* Adds the item's bytes to *total. */
static int check_item(const struct rj_blob_item *item,
		      const struct rj_blob_limits *limits, uint64_t *total,
		      struct ramjet_error *err)
{
	struct rj_text shown;

	if (item->bytes > limits->item_bytes_max || item->bytes > UINT32_MAX)
		return rj_fail(err, -EMSGSIZE,
			       "helper '%s': %zu bytes of state, the limit is "
			       "%" PRIu64,
			       rj_text_printable(&shown, item->id), item->bytes,
			       limits->item_bytes_max);
	if (item->bytes > limits->total_bytes_max - *total)
		return rj_fail(err, -EMSGSIZE,
			       "helpers' state: more than %" PRIu64
			       " bytes in all, which is the limit",
			       limits->total_bytes_max);
	*total += item->bytes;
	return 0;
}

static int check_count(uint64_t count, const struct rj_blob_limits *limits,
		       struct ramjet_error *err)
{
	if (count <= limits->items_max)
		return 0;
	return rj_fail(err, -EMSGSIZE,
		       "helpers' state: %" PRIu64
		       " helpers, the limit is %" PRIu32,
		       count, limits->items_max);
}

static uint8_t *put(uint8_t *at, const void *data, size_t bytes)
{
	if (bytes)
		memcpy(at, data, bytes);
	return at + bytes;
}

static uint8_t *put_u32(uint8_t *at, size_t value)
{
	uint32_t wire = htobe32((uint32_t)value);

	return put(at, &wire, sizeof(wire));
}

int rj_blob_write(struct rj_blob_item *items, size_t count,
		  const struct rj_blob_limits *limits, void **ret_data,
		  size_t *ret_bytes, struct ramjet_error *err)
{
	size_t bytes = 4;
	uint64_t total = 0;
	uint8_t *blob, *at;
	int rc = check_count(count, limits, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++) {
		size_t id_bytes = strnlen(items[i].id, sizeof(items[i].id));
		const char *problem = rj_id_problem(items[i].id, id_bytes);

		if (problem)
			return rj_fail(err, -EINVAL, "helpers' state: an Id %s",
				       problem);
		rc = check_item(&items[i], limits, &total, err);
		if (rc < 0)
			return rc;
		bytes += 8 + id_bytes + items[i].bytes;
	}
	rc = sort_items(items, count, -EEXIST, err);
	if (rc < 0)
		return rc;
	blob = malloc(bytes);
	if (!blob)
		return rj_fail(err, -ENOMEM, "helpers' state: out of memory");
	at = put_u32(blob, count);
	for (size_t i = 0; i < count; i++) {
		size_t id_bytes = strlen(items[i].id);

		at = put(put_u32(at, id_bytes), items[i].id, id_bytes);
		at = put(put_u32(at, items[i].bytes), items[i].data,
			 items[i].bytes);
	}
	*ret_data = blob;
	*ret_bytes = bytes;
	return 0;
}

struct reader {
	const uint8_t *at;
	size_t left;
	size_t bytes;
	struct ramjet_error *err;
};

static int malformed(const struct reader *r, const char *what)
{
	return rj_fail(r->err, -EBADMSG,
		       "helpers' state: %s at byte %zu of %zu", what,
		       r->bytes - r->left, r->bytes);
}

/* NULL, with the error set, when there are fewer bytes. */
static const uint8_t *get(struct reader *r, size_t bytes, const char *what)
{
	const uint8_t *from = r->at;

	if (bytes > r->left) {
		(void)malformed(r, what);
		return NULL;
	}
	r->at += bytes;
	r->left -= bytes;
	return from;
}

static int get_u32(struct reader *r, uint32_t *ret)
{
	const uint8_t *from = get(r, sizeof(*ret), "cut off within a number");

	if (!from)
		return -EBADMSG;
	memcpy(ret, from, sizeof(*ret));
	*ret = be32toh(*ret);
	return 0;
}

static int get_id(struct reader *r, struct rj_blob_item *item)
{
	const uint8_t *from;
	uint32_t length;
	int rc = get_u32(r, &length);

	if (rc < 0)
		return rc;
	if (length < 1 || length > RJ_ID_BYTES_MAX)
		return malformed(r, "an Id that is not of 1 to 255 bytes");
	from = get(r, length, "cut off within an Id");
	if (!from)
		return -EBADMSG;
	if (rj_id_problem((const char *)from, length))
		return malformed(r, "an Id that is not UTF-8 text");
	memcpy(item->id, from, length);
	item->id[length] = '\0';
	return 0;
}

static int get_item(struct reader *r, struct rj_blob_item *item)
{
	uint32_t length;
	int rc = get_id(r, item);

	if (rc >= 0)
		rc = get_u32(r, &length);
	if (rc < 0)
		return rc;
	item->data = get(r, length, "a length beyond the end");
	item->bytes = length;
	return item->data ? 0 : -EBADMSG;
}

static int get_items(struct reader *r, const struct rj_blob_limits *limits,
		     struct rj_blob_item *items, uint32_t count)
{
	uint64_t total = 0;
	int rc;

	for (uint32_t i = 0; i < count; i++) {
		rc = get_item(r, &items[i]);
		if (rc < 0)
			return rc;
		rc = check_item(&items[i], limits, &total, r->err);
		if (rc < 0)
			return rc;
	}
	if (r->left)
		return malformed(r, "bytes after the last helper's");
	return sort_items(items, count, -EBADMSG, r->err);
}

int rj_blob_read(const void *blob, size_t bytes,
		 const struct rj_blob_limits *limits,
		 struct rj_blob_item **ret_items, size_t *ret_count,
		 struct ramjet_error *err)
{
	struct reader r = {
		.at = blob, .left = bytes, .bytes = bytes, .err = err
	};
	rj_autofree struct rj_blob_item *items = NULL;
	uint32_t count;
	int rc = get_u32(&r, &count);

	if (rc < 0)
		return rc;
	rc = check_count(count, limits, err);
	if (rc < 0)
		return rc;
	/* Before memory is taken on the word of a peer. */
	if (count > r.left / ITEM_BYTES_MIN)
		return malformed(&r, "more helpers than bytes for them");
	items = calloc(count ? count : 1, sizeof(*items));
	if (!items)
		return rj_fail(err, -ENOMEM, "helpers' state: out of memory");
	rc = get_items(&r, limits, items, count);
	if (rc < 0)
		return rc;
	*ret_items = rj_steal(items);
	*ret_count = count;
	return 0;
}
