/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_TAKE_BITS_H
#define RJ_DIRTY_TAKE_BITS_H
/* Bits that others set in memory they share with us: one a page, which they wrote
 * before. */
#include <endian.h>
#include <stdatomic.h>
#include <stdint.h>

/* Take the bits of `mask` out of a little-endian word; bits are in our byte
 * order. */
static inline uint64_t rj_take_bits(_Atomic uint64_t *word, uint64_t mask)
{
	/* Relaxed: a bit that is set later is a later collect's. */
	if (!(le64toh(atomic_load_explicit(word, memory_order_relaxed)) & mask))
		return 0;
	/* Acquire: pairs with the writer's OR, so that the page is read as it
	 * was written before it. */
	if (!~mask)
		return le64toh(atomic_exchange_explicit(word, 0,
							memory_order_acq_rel));
	return le64toh(atomic_fetch_and_explicit(word, ~htole64(mask),
						 memory_order_acq_rel)) &
	       mask;
}
#endif
