/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/page_copy.h"

#include <string.h>

#include "util/compiler.h"

#ifdef RJ_TSAN
typedef uint64_t word __attribute__((may_alias, aligned(1)));

/* Not memcpy(): a sanitizer would report it, since the guest may write
 * meanwhile. */
RJ_GUEST_MEMORY void rj_page_copy(uint8_t *to, const uint8_t *from,
				  size_t bytes)
{
	volatile word *out = (volatile word *)(void *)to;
	const volatile word *in = (const volatile word *)(const void *)from;

	for (size_t i = 0; i < bytes / sizeof(*in); i++)
		out[i] = in[i];
	/* Of a coded payload, which nobody else writes. */
	for (size_t i = bytes & ~(sizeof(*in) - 1); i < bytes; i++)
		to[i] = from[i];
}
#else
void rj_page_copy(uint8_t *to, const uint8_t *from, size_t bytes)
{
	memcpy(to, from, bytes);
}
#endif
