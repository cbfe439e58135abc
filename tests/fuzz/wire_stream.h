/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_WIRE_STREAM_H
#define RJ_TESTS_WIRE_STREAM_H
/*
 * Reads a whole stream of protocol v2 from memory with the decoders of
 * engine/wire/wire.h and writes it again with the encoders. Golden tests and the
 * fuzzer share it.
 */
#include <stddef.h>
#include <stdint.h>

#include "engine/wire/wire.h"

/* Pages of each block until a BLOCKS frame says otherwise. */
#define STREAM_DEFAULT_PAGES 1024u

struct wire_stream {
	const uint8_t *data; /* borrowed */
	size_t bytes;
	size_t at;
	/* Replace each check word by the right one, so that damage done on
	 * purpose gets past it. `data` must be writable memory then. */
	bool fix_checks;
	/* What the encoders made of the frames read so far, `at` bytes of it;
	 * as large as data. */
	uint8_t *again;
	uint32_t seen[256]; /* frames by type */
	uint64_t block_pages[RJ_BLOCKS_MAX];
	uint32_t block_count;
};

/* `again` is allocated; free with stream_done(). */
void stream_init(struct wire_stream *stream, const uint8_t *data, size_t bytes);
void stream_done(struct wire_stream *stream);
/* 1: a frame was read and written again; 0: the end; or a negative errno. */
int stream_next(struct wire_stream *stream, struct rj_frame *ret,
		struct ramjet_error *err);
#endif
