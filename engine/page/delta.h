/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_DELTA_H
#define RJ_ENGINE_PAGE_DELTA_H
/*
 * A page as what differs from its base, an older copy of it.
 *
 * A coded difference begins with a byte that says how it was made:
 * - RJ_DELTA_RUNS: stretches that changed. Each is two numbers, how many bytes
 *   stay and how many follow that replace as many; what comes after the last is
 *   as in the base. A number below 128 is a byte; a greater one two, bits 8 to
 *   14 in the first one, whose bit 7 is set, and the others in the second.
 * - RJ_DELTA_ZSTD: one zstd frame of the page, with the base as its prefix.
 * The first is made in a microsecond and is as small as changed bytes are. The
 * second finds what has moved, and bytes that repeat: decision 041 has figures.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/page/zstd_delta.h"
#include "ramjet.h"
#include "util/compiler.h"

#define RJ_DELTA_RUNS 0u
#define RJ_DELTA_ZSTD 1u
/* What is longer saves too little to be looked at twice: chosen. */
#define RJ_DELTA_BYTES_MAX (RAMJET_PAGE_BYTES * 3u / 4)

/* A lane's; all zero at first. */
struct rj_delta_coder {
	struct rj_zstd_delta zstd;
	/* Since zstd was last worth it, and how often it was not asked since. */
	uint32_t in_vain, left_out;
};

/* Safe on a zeroed struct. */
void rj_delta_coder_done(struct rj_delta_coder *coder);

/* What differs in `page` from `base`, to `out`, which has room for
 * RJ_DELTA_BYTES_MAX. Returns its bytes; 0: not worth it. Neither may change
 * meanwhile: they are private copies. `zstd`: the target understands it, and
 * there is time for it. */
uint32_t rj_delta_encode(struct rj_delta_coder *coder, const uint8_t *base,
			 const uint8_t *page, bool zstd, uint8_t *out);
/* The page that `coded` makes of `base` to `out`, another page's memory, which
 * holds anything if that fails. Believes nothing: writes there only, and just
 * one page. -EPROTO: it is none that may have been made. */
RJ_NODISCARD int rj_delta_apply(struct rj_delta_coder *coder,
				const uint8_t *base, const uint8_t *coded,
				size_t bytes, uint8_t *out,
				struct ramjet_error *err);
#endif
