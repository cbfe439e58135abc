/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/zero.h"

#include "ramjet.h"

typedef uint64_t lanes __attribute__((vector_size(32), may_alias));

#define STEP_LANES 8u /* 256 bytes between early exits */

/* One body, compiled for several instruction sets. */
#define DEFINE_SCAN(name, attributes)                                          \
	attributes RJ_GUEST_MEMORY static bool name(const uint8_t *page)       \
	{                                                                      \
		const lanes *p = (const lanes *)(const void *)page;            \
		const lanes *end = p + RAMJET_PAGE_BYTES / sizeof(lanes);      \
                                                                               \
		for (; p < end; p += STEP_LANES) {                             \
			lanes seen = p[0] | p[1] | p[2] | p[3] | p[4] | p[5] | \
				     p[6] | p[7];                              \
			if (seen[0] | seen[1] | seen[2] | seen[3])             \
				return false;                                  \
		}                                                              \
		return true;                                                   \
	}

#if defined(__x86_64__)
DEFINE_SCAN(scan_avx2, __attribute__((target("avx2"))))
#endif
DEFINE_SCAN(scan_portable, )

/* First, middle or last word tell most pages that hold something; each is a
 * cache miss, so one at a time. */
RJ_GUEST_MEMORY static bool sample_is_zero(const uint8_t *page)
{
	const uint64_t *words = (const uint64_t *)(const void *)page;
	const unsigned last = RAMJET_PAGE_BYTES / sizeof(uint64_t) - 1;

	return !words[0] && !words[last / 2] && !words[last];
}

bool rj_page_is_zero(const uint8_t *page)
{
	if (!sample_is_zero(page))
		return false;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		return scan_avx2(page);
#endif
	return scan_portable(page);
}
