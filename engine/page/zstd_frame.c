/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/zstd_frame.h"

#include <errno.h>

#include "engine/wire/bytes.h"
#include "engine/wire/wire.h"
#include "util/error.h"

/* All from RFC 8878, section 3.1.1. */
#define MAGIC        0xfd2fb528u
#define MAGIC_BYTES  4u
#define HEAD_MIN     (MAGIC_BYTES + 1u) /* and the descriptor */
#define BLOCK_HEADER 3u

enum block_type {
	BLOCK_RAW,
	BLOCK_REPEATED,
	BLOCK_COMPRESSED,
	BLOCK_RESERVED
};

struct descriptor {
	bool is_single; /* the window is the content */
	bool has_checksum, has_dictionary, is_reserved;
	uint32_t size_bytes; /* of the content's size */
};

static struct descriptor descriptor_of(uint8_t byte)
{
	static const uint8_t sizes[] = { 0, 2, 4, 8 };
	struct descriptor d = {
		.is_single = byte & 0x20,
		.is_reserved = byte & 0x08,
		.has_checksum = byte & 0x04,
		.has_dictionary = byte & 0x03,
		.size_bytes = sizes[byte >> 6],
	};

	if (d.is_single && !d.size_bytes)
		d.size_bytes = 1;
	return d;
}

static uint64_t window_of(uint8_t byte)
{
	const uint64_t base = UINT64_C(1) << (10 + (byte >> 3));

	return base + base / 8 * (byte & 7);
}

static uint64_t size_at(const uint8_t *at, uint32_t bytes)
{
	switch (bytes) {
	case 1:
		return at[0];
	case 2:
		/* Shorter ones have one byte. */
		return (uint64_t)rj_get16(at) + 256;
	case 4:
		return rj_get32(at);
	default:
		return rj_get64(at);
	}
}

static int cut_short(struct ramjet_error *err)
{
	return rj_fail(err, -EPROTO, "the zstd frame is cut short");
}

static int check_descriptor(const struct descriptor *d,
			    struct ramjet_error *err)
{
	if (d->is_reserved)
		return rj_fail(err, -EPROTO,
			       "the zstd frame has a reserved bit set");
	if (d->has_checksum)
		return rj_fail(err, -EPROTO,
			       "the zstd frame has a checksum, wanted none");
	if (d->has_dictionary)
		return rj_fail(err, -EPROTO,
			       "the zstd frame wants a dictionary");
	if (!d->size_bytes)
		return rj_fail(err, -EPROTO,
			       "the zstd frame does not say how much it holds");
	return 0;
}

/* Up to the first block; its offset in *ret. */
static int check_head(const uint8_t *frame, uint32_t bytes,
		      uint32_t content_bytes, uint32_t *ret,
		      struct ramjet_error *err)
{
	uint32_t at = HEAD_MIN;
	struct descriptor d;
	uint64_t size, window;
	int rc;

	if (bytes < HEAD_MIN)
		return cut_short(err);
	if (rj_get32(frame) != MAGIC)
		return rj_fail(err, -EPROTO,
			       "it begins 0x%08x, wanted a zstd frame",
			       rj_get32(frame));
	d = descriptor_of(frame[MAGIC_BYTES]);
	rc = check_descriptor(&d, err);
	if (rc)
		return rc;
	if (bytes - at < d.size_bytes + !d.is_single)
		return cut_short(err);
	window = d.is_single ? 0 : window_of(frame[at++]);
	size = size_at(frame + at, d.size_bytes);
	if (size != content_bytes)
		return rj_fail(err, -EPROTO,
			       "the zstd frame says it holds %llu bytes, its "
			       "pages are %u",
			       (unsigned long long)size, content_bytes);
	if (window > RJ_GROUP_WINDOW_BYTES)
		return rj_fail(
			err, -EPROTO,
			"the zstd frame wants a window of %llu bytes, at "
			"most %u are given",
			(unsigned long long)window, RJ_GROUP_WINDOW_BYTES);
	*ret = at + d.size_bytes;
	return 0;
}

int rj_zstd_frame_check(const uint8_t *frame, uint32_t bytes,
			uint32_t content_bytes, struct ramjet_error *err)
{
	bool is_last = false;
	uint32_t at = 0;
	int rc = check_head(frame, bytes, content_bytes, &at, err);

	while (!rc && !is_last) {
		uint32_t header, size;

		if (bytes - at < BLOCK_HEADER)
			return cut_short(err);
		header = frame[at] | (uint32_t)rj_get16(frame + at + 1) << 8;
		at += BLOCK_HEADER;
		is_last = header & 1;
		if ((header >> 1 & 3) == BLOCK_RESERVED)
			return rj_fail(err, -EPROTO,
				       "the zstd frame has a block of a "
				       "reserved type");
		size = (header >> 1 & 3) == BLOCK_REPEATED ? 1 : header >> 3;
		if (bytes - at < size)
			return cut_short(err);
		at += size;
	}
	if (!rc && at < bytes)
		return rj_fail(err, -EPROTO, "%u bytes follow the zstd frame",
			       bytes - at);
	return rc;
}
