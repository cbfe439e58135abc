/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/known_kinds.h"

#include "engine/page/run_kinds.h"
#include "engine/page/zstd_version.h"

uint32_t rj_kinds_known(void)
{
	const uint32_t grouped = 1u << RJ_RUN_ZSTD | 1u << RJ_RUN_JOINED;
	uint32_t kinds = 0;

	for (unsigned kind = RJ_RUN_ZERO + 1; kind < RJ_RUN_KINDS; kind++)
		if (rj_run_row(kind))
			kinds |= 1u << kind;
	/* One of these is nothing without the other. */
	if (!rj_zstd_version() || (kinds & grouped) != grouped)
		kinds &= ~grouped;
	return kinds;
}
