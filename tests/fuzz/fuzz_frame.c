/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a stream of frames, with check words put right so that
 * mutations reach what lies behind them. Whatever the decoders accept, the
 * encoders must write again exactly as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/script.h"
#include "tests/fuzz/wire_stream.h"

const struct script_shape script_shape = { .head_bytes = 0, .lead_bytes = 0 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct wire_stream stream;
	struct rj_frame frame;
	struct ramjet_error err = { 0 };
	/* Exactly as large as the input: a byte too far is found. */
	uint8_t *copy = malloc(bytes ? bytes : 1);
	int rc;

	if (!copy)
		abort();
	memcpy(copy, data, bytes);
	stream_init(&stream, copy, bytes);
	stream.fix_checks = true;
	do
		rc = stream_next(&stream, &frame, &err);
	while (rc > 0);
	if (memcmp(copy, stream.again, stream.at) != 0)
		abort();
	/* A refusal always says why. */
	if (rc < 0 && (err.code >= 0 || !err.message[0]))
		abort();
	stream_done(&stream);
	free(copy);
	return 0;
}
