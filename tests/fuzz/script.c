/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/script.h"

#include <xxhash.h>

#include "engine/wire/bytes.h"

#define AT_RUN_COUNT     12u
#define AT_PAYLOAD_BYTES 16u

size_t script_frame_bytes(const uint8_t *wire, size_t left)
{
	uint32_t runs, payload;
	size_t bytes = RJ_HEADER_BYTES;

	if (left < bytes)
		return left;
	runs = rj_get32(wire + AT_RUN_COUNT);
	payload = rj_get32(wire + AT_PAYLOAD_BYTES);
	/* More is refused by its header. */
	if (runs <= RJ_RUNS_MAX && payload <= RJ_PAGES_PAYLOAD_MAX)
		bytes += (size_t)runs * RJ_RUN_BYTES + payload;
	return bytes < left ? bytes : left;
}

void script_put_right(uint8_t *wire, size_t bytes)
{
	const uint8_t *table = wire + RJ_HEADER_BYTES, *payload;
	struct rj_frame frame;
	size_t table_bytes;

	if (bytes < RJ_HEADER_BYTES || rj_frame_decode(wire, &frame, NULL))
		return;
	table_bytes = (size_t)frame.run_count * RJ_RUN_BYTES;
	if (bytes < RJ_HEADER_BYTES + table_bytes + frame.payload_bytes)
		return;
	payload = table + table_bytes;
	if (frame.flags & RJ_FLAG_CHECKED)
		frame.payload_sum = XXH3_64bits(payload, frame.payload_bytes);
	rj_frame_encode(&frame, table, payload, wire);
}

bool script_next(struct script *script, struct script_step *ret)
{
	if (script->bytes - script->at < 2)
		return false;
	ret->lead = script->data[script->at++];
	ret->wire = script->data + script->at;
	ret->bytes = script_frame_bytes(ret->wire, script->bytes - script->at);
	script->at += ret->bytes;
	if (!(ret->lead & SCRIPT_AS_IT_IS))
		script_put_right(ret->wire, ret->bytes);
	return true;
}
