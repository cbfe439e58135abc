/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/zstd_delta.h"

#include <errno.h>
#include <zstd.h>

#include "engine/page/zstd_frame.h"
#include "util/error.h"

/* Between -5 and 3 sizes differ little and times by two: decision 041. */
#define LEVEL 1

void rj_zstd_delta_done(struct rj_zstd_delta *zstd)
{
	(void)ZSTD_freeCCtx(zstd->packer);
	(void)ZSTD_freeDCtx(zstd->unpacker);
}

/* The page's size is in the frame, and no checksum. */
static ZSTD_CCtx *packer(struct rj_zstd_delta *zstd)
{
	if (zstd->packer)
		return zstd->packer;
	zstd->packer = ZSTD_createCCtx();
	if (zstd->packer)
		(void)ZSTD_CCtx_setParameter(zstd->packer,
					     ZSTD_c_compressionLevel, LEVEL);
	return zstd->packer;
}

uint32_t rj_zstd_delta_pack(struct rj_zstd_delta *zstd, const uint8_t *base,
			    const uint8_t *page, uint8_t *out, uint32_t room)
{
	ZSTD_CCtx *context = packer(zstd);
	size_t bytes;

	/* The last one may have been given up in the middle, for want of room. */
	if (!context ||
	    ZSTD_isError(ZSTD_CCtx_reset(context, ZSTD_reset_session_only)) ||
	    ZSTD_isError(ZSTD_CCtx_refPrefix(context, base, RAMJET_PAGE_BYTES)))
		return 0;
	bytes = ZSTD_compress2(context, out, room, page, RAMJET_PAGE_BYTES);
	return ZSTD_isError(bytes) ? 0 : (uint32_t)bytes;
}

int rj_zstd_delta_unpack(struct rj_zstd_delta *zstd, const uint8_t *base,
			 const uint8_t *packed, size_t bytes, uint8_t *out,
			 struct ramjet_error *err)
{
	size_t got;
	/* Nothing but what protocol.md allows gets to zstd, which knows older
	 * formats, too. */
	const int rc = rj_zstd_frame_check(packed, (uint32_t)bytes,
					   RAMJET_PAGE_BYTES, err);

	if (rc) {
		rj_error_prefix(err, "delta");
		return rc;
	}
	if (!zstd->unpacker)
		zstd->unpacker = ZSTD_createDCtx();
	if (!zstd->unpacker)
		return rj_fail(err, -ENOMEM, "out of memory");
	/* It ends when the page is full, whatever it holds. */
	got = ZSTD_DCtx_refPrefix(zstd->unpacker, base, RAMJET_PAGE_BYTES);
	if (!ZSTD_isError(got))
		got = ZSTD_decompressDCtx(zstd->unpacker, out,
					  RAMJET_PAGE_BYTES, packed, bytes);
	if (got == RAMJET_PAGE_BYTES)
		return 0;
	return rj_fail(err, -EPROTO, "delta: zstd: %s",
		       ZSTD_isError(got) ? ZSTD_getErrorName(got)
					 : "not a whole page");
}
