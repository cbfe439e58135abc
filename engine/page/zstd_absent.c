/* SPDX-License-Identifier: BSD-3-Clause */
/* Built without libzstd. */
#include <errno.h>

#include "engine/page/zstd.h"
#include "util/error.h"

static int lacks(struct ramjet_error *err)
{
	return rj_fail(err, -EOPNOTSUPP, "this build has no zstd");
}

int rj_compressor_new(int32_t level_max, struct rj_compressor **ret,
		      struct ramjet_error *err)
{
	(void)level_max, (void)ret;
	return lacks(err);
}

void rj_compressor_free(struct rj_compressor *compressor)
{
	(void)compressor;
}

uint32_t rj_compress(struct rj_compressor *compressor, int32_t level,
		     const uint8_t *pages, uint32_t count, uint8_t *out)
{
	(void)compressor, (void)level, (void)pages, (void)count, (void)out;
	return 0;
}

int rj_decompressor_new(struct rj_decompressor **ret, struct ramjet_error *err)
{
	(void)ret;
	return lacks(err);
}

void rj_decompressor_free(struct rj_decompressor *decompressor)
{
	(void)decompressor;
}

int rj_decompress(struct rj_decompressor *decompressor, const uint8_t *frame,
		  uint32_t bytes, uint8_t *pages, uint32_t count,
		  struct ramjet_error *err)
{
	(void)decompressor, (void)frame, (void)bytes, (void)pages, (void)count;
	return lacks(err);
}
