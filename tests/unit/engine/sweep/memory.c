/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory behind operations that fail, take their time, or damage a bit. */
#include "tests/unit/engine/sweep/course.h"
#include "tests/unit/engine/sweep/fault.h"

#include <errno.h>
#include <stdio.h>

static int begin(const char *what, struct ramjet_error *err)
{
	const enum fault_kind kind = fault_step(FAULT_MEMORY);

	if (kind == FAULT_DELAY)
		fault_nap();
	if (kind != FAULT_ERROR)
		return 0;
	(void)snprintf(err->message, sizeof(err->message), "%s: told to fail",
		       what);
	return -EIO;
}

static int read_ranges(void *user, const struct ramjet_memory_range *ranges,
		       size_t count, void *data, struct ramjet_error *err)
{
	int rc = begin("read", err);

	if (!rc)
		rc = ops_memory_ops.read(user, ranges, count, data, err);
	if (!rc && fault_step(FAULT_MEMORY_DATA) == FAULT_FLIP)
		((uint8_t *)data)[ranges[0].bytes / 2] ^= 4;
	return rc;
}

static int write_ranges(void *user, const struct ramjet_memory_range *ranges,
			size_t count, const void *data,
			struct ramjet_error *err)
{
	const struct ops_memory *memory = user;
	int rc = begin("write", err);

	if (!rc)
		rc = ops_memory_ops.write(user, ranges, count, data, err);
	if (!rc && fault_step(FAULT_MEMORY_DATA) == FAULT_FLIP)
		memory->ram->host[ranges[0].offset + 5] ^= 4;
	return rc;
}

static int populated(void *user, const struct ramjet_memory_range *range,
		     ramjet_memory_tell_fn *tell, void *context,
		     struct ramjet_error *err)
{
	const int rc = begin("populated", err);

	return rc ? rc
		  : ops_memory_ops.populated(user, range, tell, context, err);
}

static int clear(void *user, const struct ramjet_memory_range *ranges,
		 size_t count, struct ramjet_error *err)
{
	const int rc = begin("clear", err);

	return rc ? rc : ops_memory_ops.clear(user, ranges, count, err);
}

const struct ramjet_memory_ops faulty_memory_ops = {
	RAMJET_MEMORY_OPS_INIT, .name = "faulty",       .read = read_ranges,
	.write = write_ranges,  .populated = populated, .clear = clear,
};
