/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records of state whose inside the engine reads: digest parts (STATE of kind 3), as both
 * sides have them, and how many pages their block has. What is said of the difference is a
 * line that fits its buffer and can be printed, and names no page beyond the block.
 * Helpers' states are fuzz_helpers_blob.c's.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/wire/digest_parts.h"
#include "engine/wire/wire.h"
#include "tests/fuzz/fuzz.h"
#include "util/utf8.h"

/* So that all of a block's pages are looked at in no time. */
#define PAGES_MASK 0xfffffu

static void must(int ok)
{
	if (!ok)
		abort();
}

/* Every number in it is a page of the block, but "and N more". */
static void check_pages(const char *text, uint64_t page_count)
{
	const char *at = text;

	while ((at = strstr(at, "page"))) {
		at += strcspn(at, " ");
		if (*at == ' ' && at[1] >= '0' && at[1] <= '9')
			must(strtoull(at + 1, NULL, 10) < page_count);
	}
}

static void compare(const uint8_t *data, size_t bytes, size_t room)
{
	struct rj_digest_parts theirs, ours;
	uint8_t body[RJ_DIGEST_PARTS_BYTES] = { 0 };
	uint8_t again[RJ_DIGEST_PARTS_BYTES];
	const uint64_t page_count = 1 + (rj_get64(data) & PAGES_MASK);
	char *text = malloc(room);

	must(text != NULL);
	rj_digest_parts_decode(body, &ours);
	memcpy(body, data + 8,
	       bytes - 8 < sizeof(body) ? bytes - 8 : sizeof(body));
	rj_digest_parts_decode(body, &theirs);
	rj_digest_parts_encode(&theirs, again);
	must(!memcmp(body, again, sizeof(body)));
	rj_digest_parts_compare(&theirs, &ours, page_count, text, room);
	must(memchr(text, 0, room) != NULL);
	must(rj_utf8_is_printable(text, strlen(text)));
	if (room > 128)
		check_pages(text, page_count);
	rj_digest_parts_merge(&ours, &theirs);
	rj_digest_parts_compare(&theirs, &ours, page_count, text, room);
	must(memchr(text, 0, room) != NULL);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const size_t rooms[] = { 1, 7, 32, 188 };

	if (bytes < 9)
		return 0;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(rooms); i++)
		compare(data, bytes, rooms[i]);
	return 0;
}
