/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The helpers' states as a peer sends them. What the reader takes is written
 * again and must read the same; the writer's order is a fixed point.
 */
#include <stdlib.h>
#include <string.h>

#include "dbus/blob.h"
#include "tests/fuzz/fuzz.h"

/* Small, so that inputs of a few bytes reach every limit. */
static const struct rj_blob_limits limits = {
	.items_max = 8,
	.item_bytes_max = 64,
	.total_bytes_max = 200,
};

static void must(int ok)
{
	if (!ok)
		abort();
}

static void check_items(const struct rj_blob_item *items, size_t count)
{
	uint64_t total = 0;

	must(count <= limits.items_max);
	for (size_t i = 0; i < count; i++) {
		must(!rj_id_problem(items[i].id, strlen(items[i].id)));
		must(!i || strcmp(items[i - 1].id, items[i].id) < 0);
		must(items[i].bytes <= limits.item_bytes_max);
		total += items[i].bytes;
	}
	must(total <= limits.total_bytes_max);
}

static void check_again(struct rj_blob_item *items, size_t count, size_t bytes)
{
	struct rj_blob_item *again;
	size_t again_count, blob_bytes;
	void *blob;

	must(!rj_blob_write(items, count, &limits, &blob, &blob_bytes, NULL));
	must(blob_bytes == bytes);
	must(!rj_blob_read(blob, blob_bytes, &limits, &again, &again_count,
			   NULL));
	must(again_count == count);
	for (size_t i = 0; i < count; i++)
		must(!strcmp(items[i].id, again[i].id) &&
		     items[i].bytes == again[i].bytes &&
		     (!items[i].bytes ||
		      !memcmp(items[i].data, again[i].data, items[i].bytes)));
	free(again);
	free(blob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct ramjet_error err = { 0 };
	struct rj_blob_item *items = NULL;
	size_t count = 0;
	int rc = rj_blob_read(data, bytes, &limits, &items, &count, &err);

	if (rc < 0) {
		must(!items && err.code == rc && err.message[0]);
		return 0;
	}
	check_items(items, count);
	check_again(items, count, bytes);
	free(items);
	return 0;
}
