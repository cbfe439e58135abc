/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PAGES frame as a peer sends it, for a block of guarded memory: how many entries,
 * the table, the payload. It is refused, or its pages are placed; nothing else is
 * written.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/page/coding.h"
#include "engine/receive/target_memory.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/engine/guarded.h"

#define PAGES 64u

/* Made once: what has come before stays received. */
static struct guarded ram;
static struct rj_block block;
static struct rj_target_memory memory;
static struct rj_page_codec codec;

static void must(int ok)
{
	if (!ok)
		abort();
}

static void receive(const struct rj_scatter *scatter, const uint8_t *payload,
		    size_t bytes)
{
	size_t at = 0;

	for (unsigned i = 0; i < scatter->count; i++) {
		const struct iovec *iov = &scatter->iov[i];

		must(iov->iov_len <= bytes - at);
		memcpy(iov->iov_base, payload + at, iov->iov_len);
		at += iov->iov_len;
	}
	must(at == bytes);
}

static void take(const uint8_t *table, uint32_t entries, const uint8_t *payload,
		 size_t bytes)
{
	static struct iovec iov[RJ_RUNS_MAX];
	static bool untouched[RJ_RUNS_MAX];
	const struct rj_frame frame = { .type = RJ_FRAME_PAGES,
					.run_count = entries,
					.payload_bytes = (uint32_t)bytes };
	struct rj_scatter scatter = { .iov = iov, .untouched = untouched };
	struct ramjet_error err = { 0 };
	int rc;

	rc = rj_target_memory_place(&memory, &codec, &frame, table, &scatter,
				    &err);
	if (!rc) {
		receive(&scatter, payload, bytes);
		rc = rj_page_place(&codec, &err);
	}
	must(!rc || (err.code < 0 && err.message[0]));
	must(guarded_is_intact(&ram));
}

static void set_up(void)
{
	if (ram.host)
		return;
	must(!guarded_map(&ram, PAGES * RAMJET_PAGE_BYTES));
	block = guarded_block(&ram);
	block.flags = RAMJET_BLOCK_FRESH;
	must(!rj_target_memory_init(&memory, &block, 1, NULL));
	rj_page_codec_init(&codec, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint32_t entries;
	uint8_t *copy;

	set_up();
	if (!bytes)
		return 0;
	entries = data[0];
	if (!entries || bytes - 1 < (size_t)entries * RJ_RUN_BYTES ||
	    bytes > RJ_PAGES_PAYLOAD_MAX)
		return 0;
	copy = malloc(bytes);
	must(copy != NULL);
	memcpy(copy, data, bytes);
	take(copy + 1, entries, copy + 1 + entries * RJ_RUN_BYTES,
	     bytes - 1 - entries * RJ_RUN_BYTES);
	free(copy);
	return 0;
}
