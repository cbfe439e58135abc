/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_ZSTD_DELTA_H
#define RJ_ENGINE_PAGE_ZSTD_DELTA_H
/* Pages as zstd frames that have an older copy as their prefix. Without zstd
 * (zstd_delta_absent.c) none is made, and none understood. */
#include <stddef.h>
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"

/* A lane's; all zero at first, and made when first needed. */
struct rj_zstd_delta {
	void *packer, *unpacker;
};

/* Safe on a zeroed struct. */
void rj_zstd_delta_done(struct rj_zstd_delta *zstd);
/* To `out`, which has `room`; 0: it does not fit, or there is no memory. */
uint32_t rj_zstd_delta_pack(struct rj_zstd_delta *zstd, const uint8_t *base,
			    const uint8_t *page, uint8_t *out, uint32_t room);
/* Just one frame, and just one page in it. */
RJ_NODISCARD int rj_zstd_delta_unpack(struct rj_zstd_delta *zstd,
				      const uint8_t *base,
				      const uint8_t *packed, size_t bytes,
				      uint8_t *out, struct ramjet_error *err);
#endif
