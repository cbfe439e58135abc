/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A coded difference as a peer sends it: it is refused, or makes a page; and what
 * that page differs in is coded and makes it again.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/page/delta.h"
#include "tests/fuzz/fuzz.h"

#define PAGE RAMJET_PAGE_BYTES

static void must(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct rj_delta_coder coder;
	static uint8_t base[PAGE], made[PAGE], again[PAGE];
	uint8_t coded[RJ_DELTA_BYTES_MAX];
	struct ramjet_error err = { 0 };
	uint32_t used;

	for (unsigned i = 0; i < PAGE; i++)
		base[i] = (uint8_t)(i * 7 ^ i >> 5);
	if (rj_delta_apply(&coder, base, data, bytes, made, &err)) {
		must(err.code < 0 && err.message[0]);
		return 0;
	}
	used = rj_delta_encode(&coder, base, made, true, coded);
	must(used <= sizeof(coded));
	if (!used)
		return 0;
	must(!rj_delta_apply(&coder, base, coded, used, again, &err));
	must(!memcmp(made, again, PAGE));
	return 0;
}
