/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/keeps_built.h"

#include "engine/wire/resume.h"

/* Each is 0 until both sides can do it. */
#define LANES   0u
#define CONTROL 0u /* RJ_KEEPS_CONTROL */

uint32_t rj_keeps_built(void)
{
	return LANES | CONTROL;
}
