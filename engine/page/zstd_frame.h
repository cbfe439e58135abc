/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_ZSTD_FRAME_H
#define RJ_ENGINE_PAGE_ZSTD_FRAME_H
/*
 * What a frame of zstd (RFC 8878) says of itself, read without libzstd: so much is
 * known before a byte of it is decoded.
 */
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"

/* Is it one that a group of pages may have (docs/protocol.md): a single frame and
 * nothing after it, that says it holds just `content_bytes`, and wants neither
 * a dictionary nor a larger window than a group has, nor has a checksum? What
 * its blocks hold is not looked at. */
RJ_NODISCARD int rj_zstd_frame_check(const uint8_t *frame, uint32_t bytes,
				     uint32_t content_bytes,
				     struct ramjet_error *err);
#endif
