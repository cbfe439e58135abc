/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/ops_memory.h"

#include <errno.h>
#include <stdio.h>

#include "engine/page/zero.h"
#include "util/compiler.h"

typedef uint64_t word __attribute__((may_alias));

/* Not memcpy(): see RJ_GUEST_MEMORY. */
RJ_GUEST_MEMORY static void copy(uint8_t *to, const uint8_t *from, size_t bytes)
{
	volatile word *out = (volatile word *)(void *)to;
	const volatile word *in = (const volatile word *)(const void *)from;

	for (size_t i = 0; i < bytes / sizeof(*in); i++)
		out[i] = in ? in[i] : 0;
}

/* A call begins: 0, or as it was told to fail. */
static int begin(struct ops_memory *memory, enum ops_call call,
		 const struct ramjet_memory_range *ranges, size_t count,
		 const void *data, struct ramjet_error *err)
{
	const unsigned n = 1 + atomic_fetch_add(&memory->calls[call], 1);
	uint64_t next = 0;

	if (!count || (uintptr_t)data % RAMJET_PAGE_BYTES)
		atomic_store(&memory->is_wrong, true);
	for (size_t i = 0; i < count; i++) {
		const struct ramjet_memory_range *r = &ranges[i];

		if (r->offset < next || !r->bytes ||
		    r->offset % RAMJET_PAGE_BYTES ||
		    r->bytes % RAMJET_PAGE_BYTES ||
		    r->offset + r->bytes > memory->ram->bytes)
			atomic_store(&memory->is_wrong, true);
		next = r->offset + r->bytes;
		atomic_fetch_add(&memory->pages[call],
				 r->bytes / RAMJET_PAGE_BYTES);
	}
	if (n != memory->fails_at[call])
		return 0;
	(void)snprintf(err->message, sizeof(err->message),
		       "call %u: told to fail", n);
	return -EREMOTEIO;
}

static int ops_read(void *user, const struct ramjet_memory_range *ranges,
		    size_t count, void *data, struct ramjet_error *err)
{
	struct ops_memory *memory = user;
	const int rc = begin(memory, OPS_READ, ranges, count, data, err);
	uint8_t *to = data;

	for (size_t i = 0; !rc && i < count; i++) {
		copy(to, memory->ram->host + ranges[i].offset, ranges[i].bytes);
		to += ranges[i].bytes;
	}
	return rc;
}

static int ops_write(void *user, const struct ramjet_memory_range *ranges,
		     size_t count, const void *data, struct ramjet_error *err)
{
	struct ops_memory *memory = user;
	const int rc = begin(memory, OPS_WRITE, ranges, count, data, err);
	const uint8_t *from = data;

	for (size_t i = 0; !rc && i < count; i++) {
		copy(memory->ram->host + ranges[i].offset, from,
		     ranges[i].bytes);
		from += ranges[i].bytes;
	}
	return rc;
}

static int ops_clear(void *user, const struct ramjet_memory_range *ranges,
		     size_t count, struct ramjet_error *err)
{
	struct ops_memory *memory = user;
	const int rc = begin(memory, OPS_CLEAR, ranges, count, NULL, err);

	for (size_t i = 0; !rc && i < count; i++)
		copy(memory->ram->host + ranges[i].offset, NULL,
		     ranges[i].bytes);
	return rc;
}

static int ops_populated(void *user, const struct ramjet_memory_range *range,
			 ramjet_memory_tell_fn *tell, void *context,
			 struct ramjet_error *err)
{
	struct ops_memory *memory = user;
	int rc = begin(memory, OPS_POPULATED, range, 1, NULL, err);

	for (uint64_t at = range->offset;
	     !rc && at < range->offset + range->bytes;
	     at += RAMJET_PAGE_BYTES) {
		const struct ramjet_memory_range page = { at,
							  RAMJET_PAGE_BYTES };

		if (!rj_page_is_zero(memory->ram->host + at))
			rc = tell(context, &page);
	}
	return rc;
}

const struct ramjet_memory_ops ops_memory_ops = {
	RAMJET_MEMORY_OPS_INIT,     .name = "array",
	.read = ops_read,           .write = ops_write,
	.populated = ops_populated, .clear = ops_clear,
};
const struct ramjet_memory_ops ops_memory_bare_ops = {
	RAMJET_MEMORY_OPS_INIT,
	.name = "bare",
	.read = ops_read,
	.write = ops_write,
};
