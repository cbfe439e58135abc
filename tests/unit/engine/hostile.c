/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/hostile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/wire/bytes.h"

#define ALL32 UINT32_MAX
#define K     1024u

/* clang-format off */
const struct hostile_frame hostile_frames[] = {
	/* version 2 to 2, control, 1 channel, pages of 4096 */
	{ .type = RJ_FRAME_HELLO, .payload_bytes = 40, .payload_min = 40,
	  .payload_max = 40,
	  .body = { { 2, 0, 2, 0, [10] = 1, [13] = 0x10, [16] = 1 } } },
	/* one block, 64 pages of 4096 bytes, "ram0", which needs so many bytes */
	{ .type = RJ_FRAME_BLOCKS, .payload_bytes = 36, .payload_min = 36,
	  .payload_max = K * K,
	  .body = { { 1, [10] = 4, [17] = 0x10, [24] = 4,
		      [32] = 'r', 'a', 'm', '0' } } },
	{ .type = RJ_FRAME_ACCEPT, .payload_bytes = 16, .payload_min = 16,
	  .payload_max = 16, .body = { { 2 } } },
	{ .type = RJ_FRAME_FAILED, .payload_bytes = 11, .payload_min = 8,
	  .payload_max = 512, .body = { { 28, [8] = 'n', 'o', '!' } } },
	{ .type = RJ_FRAME_CANCEL },
	{ .type = RJ_FRAME_PING, .payload_bytes = 8, .payload_min = 8,
	  .payload_max = 8 },
	{ .type = RJ_FRAME_PONG, .payload_bytes = 8, .payload_min = 8,
	  .payload_max = 8 },
	{ .type = RJ_FRAME_OFFER, .payload_bytes = 16, .payload_min = 16,
	  .payload_max = 16, .body = { { 0x1c } } },
	{ .type = RJ_FRAME_TAKES, .payload_bytes = 16, .payload_min = 16,
	  .payload_max = 16 },
	{ .type = RJ_FRAME_GUEST, .payload_bytes = 3, .payload_max = 512 * K },
	{ .type = RJ_FRAME_PAGES, .runs = 1, .payload_bytes = 4096,
	  .payload_max = 4 * K * K },
	{ .type = RJ_FRAME_FENCE, .flags = RJ_FLAG_FINAL },
	/* which looks like garbage where it is not taken for its payload */
	{ .type = RJ_FRAME_STATE, .payload_bytes = 40, .payload_max = K * K,
	  .flags = RJ_FLAG_MORE, .aux = 1, .aux_min = 1, .aux_max = 2,
	  .body = { { 0x5a, 0x5a, 0x5a, 0x5a } } },
	{ .type = RJ_FRAME_DIGESTS, .payload_bytes = 16, .payload_min = 16,
	  .payload_max = 16 * K, .aux_max = 1 },
	{ .type = RJ_FRAME_APPLIED, .any_round = true },
	{ .type = RJ_FRAME_SWITCHOVER, .any_round = true },
	{ .type = RJ_FRAME_READY, .payload_bytes = 48, .payload_min = 48,
	  .payload_max = 48, .body = { { 1 } } },
	{ .type = RJ_FRAME_COMMIT, .payload_bytes = 8, .payload_min = 8,
	  .payload_max = 8, .flags = RJ_FLAG_PAUSED },
	{ .type = RJ_FRAME_RUNNING, .payload_bytes = 16, .payload_min = 16,
	  .payload_max = 16 },
	{ .type = RJ_FRAME_LOST, .payload_bytes = 24, .payload_min = 24,
	  .payload_max = 24 },
	{ .type = RJ_FRAME_BACK, .payload_bytes = 16, .payload_min = 16,
	  .payload_max = 16 },
	{ .type = RJ_FRAME_JOINED, .payload_bytes = 16, .payload_min = 16,
	  .payload_max = 16 },
	{ .type = RJ_FRAME_TAKEN, .payload_bytes = 32, .payload_min = 16,
	  .payload_max = 4 * K },
	{ .type = RJ_FRAME_RESUME, .payload_bytes = 16, .payload_min = 16,
	  .payload_max = 16 },
	{ .type = RJ_FRAME_KEEPS, .payload_bytes = 16, .payload_min = 16,
	  .payload_max = 16 },
	{ .type = RJ_FRAME_HEARD, .payload_bytes = 8, .payload_min = 8,
	  .payload_max = 8 },
};
/* clang-format on */
const unsigned hostile_frame_count = RJ_ARRAY_SIZE(hostile_frames);

const struct hostile_frame *hostile_find(uint8_t type)
{
	for (unsigned i = 0; i < hostile_frame_count; i++)
		if (hostile_frames[i].type == type)
			return &hostile_frames[i];
	return NULL;
}

static void put_right(uint8_t *wire, size_t bytes)
{
	struct rj_frame frame;

	/* What its header alone gives away needs no check word. */
	if (rj_frame_decode(wire, &frame, NULL) ||
	    bytes < RJ_HEADER_BYTES + (size_t)frame.run_count * RJ_RUN_BYTES +
			    frame.payload_bytes)
		return;
	rj_frame_encode(&frame, wire + RJ_HEADER_BYTES,
			wire + RJ_HEADER_BYTES +
				(size_t)frame.run_count * RJ_RUN_BYTES,
			wire);
}

size_t hostile_build(uint8_t type, uint8_t wire[HOSTILE_BYTES_MAX])
{
	static const struct hostile_frame none;
	const struct hostile_frame *frame = hostile_find(type);
	size_t at = RJ_HEADER_BYTES;

	if (!frame)
		frame = &none;
	memset(wire, 0, HOSTILE_BYTES_MAX);
	rj_put32(wire, RJ_WIRE_MAGIC);
	wire[4] = type;
	rj_put32(wire + 12, frame->runs);
	rj_put32(wire + 16, frame->payload_bytes);
	rj_put32(wire + 20, frame->aux);
	if (frame->runs)
		rj_put64(wire + at, UINT64_C(1) << RJ_RUN_PAGE_BITS);
	at += (size_t)frame->runs * RJ_RUN_BYTES;
	memcpy(wire + at, frame->body.bytes,
	       frame->payload_bytes < sizeof(frame->body.bytes)
		       ? frame->payload_bytes
		       : sizeof(frame->body.bytes));
	at += frame->payload_bytes;
	put_right(wire, at);
	return at;
}

const uint8_t hostile_garbage[HOSTILE_GARBAGE_BYTES] = { 0x5a, 0x5a, 0x5a,
							 0x5a };

bool hostile_is_garbage(const struct ramjet_error *err)
{
	return strstr(err->message, "bad magic 0x5a5a5a5a") != NULL;
}

bool hostile_is_out_of_turn(const struct ramjet_error *err, uint8_t type)
{
	static const char *const reasons[] = {
		"has no place",       "comes a second time",
		"came, wanted HELLO", "unknown mandatory frame type",
		"is reserved for",    "answers no PING",
	};
	char number[8];

	(void)snprintf(number, sizeof(number), "0x%02x", type);
	if (err->code != -EPROTO ||
	    (!strstr(err->message, number) &&
	     !strstr(err->message, rj_frame_type_name(type))))
		return false;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(reasons); i++)
		if (strstr(err->message, reasons[i]))
			return true;
	return false;
}

void hostile_set(uint8_t *wire, size_t bytes, const struct hostile_field *field,
		 uint64_t value)
{
	for (unsigned i = 0; i < field->bytes; i++)
		wire[field->at + i] = (uint8_t)(value >> 8 * i);
	put_right(wire, bytes);
}

unsigned hostile_values(const struct hostile_field *field,
			uint64_t ret[HOSTILE_VALUES])
{
	const uint64_t most =
		UINT64_MAX >> (64 - 8 * (field->bytes ? field->bytes : 1));
	const uint64_t tried[] = { 0,          field->min - 1, field->min,
				   field->max, field->max + 1, most };
	unsigned count = 0;

	for (unsigned i = 0; i < RJ_ARRAY_SIZE(tried); i++) {
		bool again = tried[i] > most;

		for (unsigned j = 0; j < count; j++)
			again = again || ret[j] == tried[i];
		if (!again)
			ret[count++] = tried[i];
	}
	return count;
}

void hostile_header_fields(uint8_t type,
			   struct hostile_field ret[HOSTILE_HEADER_FIELDS])
{
	const struct hostile_frame *frame = hostile_find(type);
	const bool pages = type == RJ_FRAME_PAGES;
	const struct hostile_field fields[] = {
		{ type, "magic", 0, 4, RJ_WIRE_MAGIC, RJ_WIRE_MAGIC },
		/* The only block; the first round; as it is in this frame. */
		{ type, "block", 6, 2, 0, 0 },
		{ type, "round", 8, 4, 0, frame->any_round ? ALL32 : 0 },
		{ type, "run_count", 12, 4, frame->runs, frame->runs },
		{ type, "payload_bytes", 16, 4,
		  pages ? frame->payload_bytes : frame->payload_min,
		  pages ? frame->payload_bytes : frame->payload_max },
		{ type, "aux", 20, 4, frame->aux_min, frame->aux_max },
		{ type, "reserved", 24, 4, 0, 0 },
		{ 0 },
	};

	memcpy(ret, fields, sizeof(fields));
}
