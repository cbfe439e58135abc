/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_KNOWN_KINDS_H
#define RJ_ENGINE_PAGE_KNOWN_KINDS_H
/* What this build knows to do with pages: the same for both sides. */
#include <stdint.h>

/* A bit for each enum rj_run_kind beyond RAW and ZERO that this build makes and
 * reads. */
uint32_t rj_kinds_known(void);
#endif
