/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_UNIT_ENGINE_MEMFD_BLOCK_H
#define RJ_TESTS_UNIT_ENGINE_MEMFD_BLOCK_H
/* A block in shared memory, as VMMs share it with other processes. */
#include "engine/guest/guest.h"

/* What lies in the file before the block and after it. */
#define MEMFD_MARGIN_PAGES 3u

/* An untouched block of so many pages; abort()s where there is no memory. */
struct rj_block memfd_block(uint64_t pages);
void memfd_block_free(struct rj_block *block);
/* Pages of the whole file that take up memory. */
uint64_t memfd_block_allocated(const struct rj_block *block);
#endif
