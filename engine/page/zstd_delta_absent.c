/* SPDX-License-Identifier: BSD-3-Clause */
/* Built without zstd. */
#include "engine/page/zstd_delta.h"

#include <errno.h>

#include "util/error.h"

void rj_zstd_delta_done(struct rj_zstd_delta *zstd)
{
	(void)zstd;
}

uint32_t rj_zstd_delta_pack(struct rj_zstd_delta *zstd, const uint8_t *base,
			    const uint8_t *page, uint8_t *out, uint32_t room)
{
	(void)zstd;
	(void)base;
	(void)page;
	(void)out;
	(void)room;
	return 0;
}

int rj_zstd_delta_unpack(struct rj_zstd_delta *zstd, const uint8_t *base,
			 const uint8_t *packed, size_t bytes, uint8_t *out,
			 struct ramjet_error *err)
{
	(void)zstd;
	(void)base;
	(void)packed;
	(void)bytes;
	(void)out;
	return rj_fail(err, -EPROTO,
		       "delta: made by zstd, which this build lacks");
}
