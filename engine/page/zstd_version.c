/* SPDX-License-Identifier: BSD-3-Clause */
#include <zstd.h>

#include "engine/page/zstd_version.h"

const char *rj_zstd_version(void)
{
	return ZSTD_versionString();
}
