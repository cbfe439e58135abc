/* SPDX-License-Identifier: BSD-3-Clause */
/* Built without libzstd. */
#include <stddef.h>

#include "engine/page/zstd_version.h"

const char *rj_zstd_version(void)
{
	return NULL;
}
