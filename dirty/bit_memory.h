/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_BIT_MEMORY_H
#define RJ_DIRTY_BIT_MEMORY_H
/*
 * Memory for bits of a whole guest, zeroed: addresses at first, of which a page
 * is allocated when it is touched, on the node of who touches it. A page of bits
 * stands for 128 MiB of guest. Never huge pages, whatever the system's
 * default: one is allocated as a whole, for 64 GiB.
 */
#include <stddef.h>

#include "ramjet.h"
#include "util/compiler.h"

/* `what` is for the message of -ENOMEM. */
RJ_NODISCARD int rj_bit_memory_map(const char *what, size_t bytes, void **ret,
				   struct ramjet_error *err);
void rj_bit_memory_unmap(void *memory, size_t bytes);
/* Pages that lie wholly in this part and were not touched yet are to come from
 * the kernel's node `node`, if it has any left. Best effort. */
void rj_bit_memory_prefer(void *part, size_t bytes, unsigned node);
#endif
