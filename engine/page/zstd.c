/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/zstd.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
/* A context in memory of ours never asks for more. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "util/error.h"

#define GROUP_BYTES (RJ_GROUP_PAGES * RAMJET_PAGE_BYTES)
#define WINDOW_LOG  17
/* Chosen: what saves less than a 16th costs the target more than the wire gains. */
#define SAVES_PART 16u

_Static_assert(RJ_GROUP_WINDOW_BYTES == 1u << WINDOW_LOG,
	       "the window that docs/protocol.md gives a group");

struct rj_compressor {
	ZSTD_CCtx *context; /* in `memory` */
	void *memory;
	int32_t level_max, level;
};

struct rj_decompressor {
	ZSTD_DCtx *context;
};

static size_t context_bytes(int32_t level)
{
	ZSTD_compressionParameters params =
		ZSTD_getCParams(level, GROUP_BYTES, 0);

	params.windowLog = WINDOW_LOG;
	/* That of a stream, which takes more: older libraries compress at one
	 * go by one. What is not used is not touched. */
	return ZSTD_estimateCStreamSize_usingCParams(params);
}

/* A higher level does not always take more than those below. */
static size_t context_bytes_up_to(int32_t level_max)
{
	size_t most = context_bytes(level_max);

	for (int32_t level = -1; level < level_max; level++) {
		const size_t bytes = context_bytes(level);

		most = bytes > most ? bytes : most;
	}
	return most;
}

static bool set(struct rj_compressor *c, ZSTD_cParameter what, int value)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(c->context, what, value));
}

static bool set_up(struct rj_compressor *c, size_t bytes)
{
	c->context = ZSTD_initStaticCCtx(c->memory, bytes);
	c->level = c->level_max;
	return c->context && set(c, ZSTD_c_compressionLevel, c->level) &&
	       set(c, ZSTD_c_windowLog, WINDOW_LOG) &&
	       set(c, ZSTD_c_contentSizeFlag, 1) &&
	       set(c, ZSTD_c_checksumFlag, 0);
}

int rj_compressor_new(int32_t level_max, struct rj_compressor **ret,
		      struct ramjet_error *err)
{
	struct rj_compressor *c = calloc(1, sizeof(*c));
	size_t bytes;

	if (!c)
		return rj_fail(err, -ENOMEM, "out of memory");
	c->level_max =
		level_max < ZSTD_maxCLevel() ? level_max : ZSTD_maxCLevel();
	bytes = context_bytes_up_to(c->level_max);
	c->memory = malloc(bytes);
	if (c->memory && set_up(c, bytes)) {
		*ret = c;
		return 0;
	}
	rj_compressor_free(c);
	return rj_fail(err, -ENOMEM, "zstd: no memory for level %d", level_max);
}

void rj_compressor_free(struct rj_compressor *compressor)
{
	if (!compressor)
		return;
	free(compressor->memory);
	free(compressor);
}

uint32_t rj_compress(struct rj_compressor *compressor, int32_t level,
		     const uint8_t *pages, uint32_t count, uint8_t *out)
{
	const size_t bytes = (size_t)count * RAMJET_PAGE_BYTES;
	size_t made;

	assert(count <= RJ_GROUP_PAGES);
	if (level > compressor->level_max)
		level = compressor->level_max;
	if (level != compressor->level) {
		if (!set(compressor, ZSTD_c_compressionLevel, level))
			return 0;
		compressor->level = level;
	}
	/* Where it does not fit, that is an error. */
	made = ZSTD_compress2(compressor->context, out,
			      bytes - bytes / SAVES_PART, pages, bytes);
	return ZSTD_isError(made) ? 0 : (uint32_t)made;
}

int rj_decompressor_new(struct rj_decompressor **ret, struct ramjet_error *err)
{
	struct rj_decompressor *d = calloc(1, sizeof(*d));

	if (d)
		d->context = ZSTD_createDCtx();
	if (d && d->context) {
		*ret = d;
		return 0;
	}
	free(d);
	return rj_fail(err, -ENOMEM, "out of memory");
}

void rj_decompressor_free(struct rj_decompressor *decompressor)
{
	if (!decompressor)
		return;
	(void)ZSTD_freeDCtx(decompressor->context);
	free(decompressor);
}

int rj_decompress(struct rj_decompressor *decompressor, const uint8_t *frame,
		  uint32_t bytes, uint8_t *pages, uint32_t count,
		  struct ramjet_error *err)
{
	const size_t want = (size_t)count * RAMJET_PAGE_BYTES;
	const size_t made = ZSTD_decompressDCtx(decompressor->context, pages,
						want, frame, bytes);

	if (ZSTD_isError(made))
		return rj_fail(err, -EBADMSG,
			       "the zstd frame can't be decoded: %s",
			       ZSTD_getErrorName(made));
	if (made != want)
		return rj_fail(err, -EBADMSG,
			       "the zstd frame holds %zu bytes, its pages are "
			       "%zu",
			       made, want);
	return 0;
}
