/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_KEEPS_BUILT_H
#define RJ_ENGINE_LINK_KEEPS_BUILT_H
#include <stdint.h>

/* What this build can go on without, on both sides (RJ_KEEPS_*): nothing else is
 * offered. In a file of its own, so that a test can have another. */
uint32_t rj_keeps_built(void);
#endif
