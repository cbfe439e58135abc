/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_LANES_H
#define RJ_ENGINE_LINK_LANES_H
/*
 * How many channels this process has the means for. Limits of descriptors,
 * threads and address space are many, and hold for what others take, too: so
 * it is tried.
 */
#include "ramjet.h"

/* At least 1, at most `wished`; fewer: `why` says what ran out. Makes and ends
 * as many threads. What it has found may be taken by others before it is. */
unsigned rj_lanes_available(unsigned wished, struct ramjet_error *why);
#endif
