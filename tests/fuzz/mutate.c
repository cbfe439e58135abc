/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mutations that know frames: libFuzzer calls them instead of its own, and so does
 * replay.c. What they make may be wrong in any way but by chance: a field gets a value at
 * or beside its limits, a frame comes twice, is left out, or changes its place.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/wire/bytes.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/script.h"

#define PARTS_MAX 128u
/* Added to a payload at once, at most. */
#define GROW_MAX 4096u

/* A frame, with what goes before it. */
struct part {
	size_t at, bytes;
};

struct input {
	uint8_t *data;
	size_t bytes, room;
	struct part parts[PARTS_MAX];
	unsigned count;
	uint64_t random;
};

static uint32_t any(struct input *in, uint32_t below)
{
	in->random ^= in->random << 13;
	in->random ^= in->random >> 7;
	in->random ^= in->random << 17;
	return below ? (uint32_t)(in->random >> 20) % below : 0;
}

static void cut(struct input *in)
{
	size_t at = script_shape.head_bytes;

	in->count = 0;
	while (in->count < PARTS_MAX &&
	       at + script_shape.lead_bytes + RJ_HEADER_BYTES <= in->bytes) {
		const size_t wire = at + script_shape.lead_bytes;
		struct part *part = &in->parts[in->count++];

		part->at = at;
		part->bytes =
			script_shape.lead_bytes +
			script_frame_bytes(in->data + wire, in->bytes - wire);
		at += part->bytes;
	}
}

static uint8_t *wire_of(struct input *in, const struct part *part)
{
	return in->data + part->at + script_shape.lead_bytes;
}

/* Make [at, at + old) as long as `new`; what is new there is zero. */
static bool stretch(struct input *in, size_t at, size_t old, size_t new)
{
	if (new > old && in->room - in->bytes < new - old)
		return false;
	memmove(in->data + at + new, in->data + at + old, in->bytes - at - old);
	if (new > old)
		memset(in->data + at + old, 0, new - old);
	in->bytes = in->bytes + new - old;
	return true;
}

static void put_part(struct input *in, size_t at, const uint8_t *from,
		     size_t bytes)
{
	if (stretch(in, at, 0, bytes))
		memcpy(in->data + at, from, bytes);
}

/* ---- whole frames ------------------------------------------------------- */

static void leave_out(struct input *in, const struct part *part)
{
	(void)stretch(in, part->at, part->bytes, 0);
}

static void move_or_copy(struct input *in, const struct part *part, bool moves)
{
	const size_t bytes = part->bytes;
	uint8_t *kept = malloc(bytes);
	size_t to;

	if (!kept)
		abort();
	memcpy(kept, in->data + part->at, bytes);
	if (moves)
		leave_out(in, part);
	cut(in);
	to = in->count ? in->parts[any(in, in->count)].at
		       : script_shape.head_bytes;
	if (to <= in->bytes)
		put_part(in, to, kept, bytes);
	free(kept);
}

/* A frame of each type as short as it may be, and of types that are none. */
static void add_frame(struct input *in)
{
	static const struct {
		uint8_t type;
		uint16_t runs, payload_bytes;
	} kinds[] = {
		{ RJ_FRAME_HELLO, 0, RJ_HELLO_BYTES },
		{ RJ_FRAME_BLOCKS, 0, 8 },
		{ RJ_FRAME_ACCEPT, 0, RJ_ACCEPT_BYTES },
		{ RJ_FRAME_FAILED, 0, 8 },
		{ RJ_FRAME_CANCEL, 0, 0 },
		{ RJ_FRAME_PING, 0, RJ_PING_BYTES },
		{ RJ_FRAME_PONG, 0, RJ_PING_BYTES },
		{ RJ_FRAME_OFFER, 0, RJ_KINDS_BYTES },
		{ RJ_FRAME_TAKES, 0, RJ_KINDS_BYTES },
		{ RJ_FRAME_GUEST, 0, 0 },
		{ RJ_FRAME_PAGES, 1, 0 },
		{ RJ_FRAME_FENCE, 0, 0 },
		{ RJ_FRAME_STATE, 0, 0 },
		{ RJ_FRAME_DIGESTS, 0, RJ_DIGEST_BYTES },
		{ RJ_FRAME_APPLIED, 0, 0 },
		{ RJ_FRAME_SWITCHOVER, 0, 0 },
		{ RJ_FRAME_READY, 0, RJ_READY_BYTES },
		{ RJ_FRAME_COMMIT, 0, RJ_COMMIT_BYTES },
		{ RJ_FRAME_RUNNING, 0, RJ_RUNNING_BYTES },
		{ RJ_FRAME_LOST, 0, 24 },
		{ RJ_FRAME_BACK, 0, 16 },
		{ RJ_FRAME_JOINED, 0, 16 },
		{ RJ_FRAME_TAKEN, 0, 16 },
		{ RJ_FRAME_RESUME, 0, 16 },
		{ RJ_FRAME_KEEPS, 0, 16 },
		{ RJ_FRAME_HEARD, 0, 8 },
		{ 0x7f, 0, 8 },
	};
	uint8_t wire[1 + RJ_HEADER_BYTES + RJ_RUN_BYTES + 64] = { 0 };
	const unsigned which = any(in, RJ_ARRAY_SIZE(kinds));
	uint8_t *header = wire + script_shape.lead_bytes;

	if (script_shape.lead_bytes)
		wire[0] = (uint8_t)any(in, 4);
	rj_put32(header, RJ_WIRE_MAGIC);
	header[4] = kinds[which].type;
	header[5] = any(in, 4) ? 0 : RJ_FLAG_OPTIONAL;
	rj_put32(header + 12, kinds[which].runs);
	rj_put32(header + 16, kinds[which].payload_bytes);
	put_part(in, in->count ? in->parts[any(in, in->count)].at : in->bytes,
		 wire,
		 script_shape.lead_bytes + RJ_HEADER_BYTES +
			 kinds[which].runs * RJ_RUN_BYTES +
			 kinds[which].payload_bytes);
}

/* ---- inside a frame ----------------------------------------------------- */

static uint64_t at_a_limit(struct input *in, unsigned bits)
{
	static const uint64_t values[] = {
		0,
		1,
		2,
		3,
		7,
		8,
		16,
		31,
		32,
		33,
		63,
		64,
		65,
		127,
		255,
		256,
		257,
		511,
		512,
		1023,
		1024,
		1025,
		4095,
		4096,
		4097,
		65535,
		65536,
		131072,
		(1u << 20),
		4194304,
		4194305,
		1u << 31,
		UINT32_MAX,
		UINT64_C(1) << 32,
		(UINT64_C(1) << 40) - 1,
		UINT64_C(1) << 40,
		UINT64_MAX / 2,
		UINT64_MAX - 4095,
		UINT64_MAX,
	};
	const uint64_t value = values[any(in, RJ_ARRAY_SIZE(values))];

	return bits == 64 ? value : value & ((UINT64_C(1) << bits) - 1);
}

static void change_header(struct input *in, const struct part *part)
{
	/* type, flags, block, round, run_count, payload_bytes, aux, reserved */
	static const uint8_t offsets[] = { 4, 5, 6, 8, 12, 16, 20, 24 };
	static const uint8_t sizes[] = { 1, 1, 2, 4, 4, 4, 4, 4 };
	const unsigned which = any(in, RJ_ARRAY_SIZE(offsets));
	uint8_t *field = wire_of(in, part) + offsets[which];

	if (sizes[which] == 1)
		*field = any(in, 2) ? (uint8_t)(*field ^ 1u << any(in, 8))
				    : (uint8_t)any(in, 0x48);
	else if (sizes[which] == 2)
		rj_put16(field, (uint16_t)at_a_limit(in, 16));
	else
		rj_put32(field, any(in, 3) ? (uint32_t)at_a_limit(in, 32)
					   : rj_get32(field) + any(in, 3) - 1);
}

static void change_run(struct input *in, const struct part *part)
{
	uint8_t *wire = wire_of(in, part), *entry;
	const uint32_t runs = rj_get32(wire + 12);
	struct rj_wire_run run;

	if (!runs || runs > RJ_RUNS_MAX ||
	    part->bytes < script_shape.lead_bytes + RJ_HEADER_BYTES +
				  (size_t)runs * RJ_RUN_BYTES)
		return;
	entry = wire + RJ_HEADER_BYTES + (size_t)any(in, runs) * RJ_RUN_BYTES;
	run = rj_run_unpack(entry);
	switch (any(in, 4)) {
	case 0:
		run.page = any(in, 2) ? at_a_limit(in, RJ_RUN_PAGE_BITS)
				      : run.page + any(in, 3) - 1;
		break;
	case 1:
		run.count = any(in, 2) ? (uint32_t)at_a_limit(in, 20)
				       : run.count + any(in, 3) - 1;
		break;
	case 2:
		run.kind = any(in, 8);
		break;
	default:
		rj_put64(entry, at_a_limit(in, 64));
		return;
	}
	rj_put64(entry, (run.page & ((UINT64_C(1) << RJ_RUN_PAGE_BITS) - 1)) |
				(uint64_t)(run.count & RJ_RUN_COUNT_MAX)
					<< RJ_RUN_PAGE_BITS |
				(uint64_t)run.kind << 60);
}

/* A payload of another length, or of other bytes; or another table entry. */
static void change_body(struct input *in, const struct part *part)
{
	const size_t lead = script_shape.lead_bytes + RJ_HEADER_BYTES;
	const size_t at = part->at + lead, old = part->bytes - lead;
	const size_t room = in->room - in->bytes;
	uint8_t *wire = wire_of(in, part);
	const uint32_t payload = rj_get32(wire + 16);
	size_t grow = 1 + (any(in, 2) ? any(in, 64) : any(in, GROW_MAX));
	size_t new;

	if (grow > room)
		grow = room;
	if (!(old + grow) || !stretch(in, at, old, old + grow))
		return;
	new = LLVMFuzzerMutate(in->data + at, old, old + grow);
	if (new > old + grow)
		abort();
	(void)stretch(in, at + new, old + grow - new, 0);
	/* Or the length says something else from now on. */
	if (any(in, 8))
		rj_put32(wire + 16, payload + (uint32_t)(new - old));
}

static void change_number(struct input *in, const struct part *part)
{
	const size_t lead = script_shape.lead_bytes + RJ_HEADER_BYTES;
	const size_t body = part->bytes - lead;
	static const uint8_t sizes[] = { 1, 2, 4, 8 };
	const unsigned bytes = sizes[any(in, 4)];
	uint8_t number[8];

	if (body < bytes)
		return;
	rj_put64(number, at_a_limit(in, 64));
	memcpy(in->data + part->at + lead +
		       any(in, (uint32_t)(body - bytes + 1)),
	       number, bytes);
}

static void change(struct input *in)
{
	const struct part *part =
		in->count ? &in->parts[any(in, in->count)] : NULL;
	const unsigned how = any(in, 20);

	if (!part || how == 0)
		in->bytes = LLVMFuzzerMutate(in->data, in->bytes, in->room);
	else if (how == 1)
		leave_out(in, part);
	else if (how == 2)
		move_or_copy(in, part, true);
	else if (how == 3)
		move_or_copy(in, part, false);
	else if (how <= 5)
		add_frame(in);
	else if (how <= 8)
		change_header(in, part);
	else if (how <= 11)
		change_run(in, part);
	else if (how <= 15)
		change_body(in, part);
	else if (how <= 17 || !script_shape.lead_bytes)
		change_number(in, part);
	else if (how == 18 && script_shape.head_bytes)
		in->data[any(in, (uint32_t)script_shape.head_bytes)] ^=
			(uint8_t)(1u << any(in, 8));
	else
		in->data[part->at] ^= (uint8_t)(1u << any(in, 8));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t room,
			       unsigned seed)
{
	struct input in = {
		.data = data,
		.bytes = bytes,
		.room = room,
		.random = (seed + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15),
	};

	for (unsigned i = 1 + any(&in, 3); i; i--) {
		cut(&in);
		change(&in);
	}
	return in.bytes;
}

/* The beginning of one and the end of the other, cut between frames. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_bytes,
				 const uint8_t *b, size_t b_bytes, uint8_t *out,
				 size_t room, unsigned seed)
{
	struct input left = {
		.data = (uint8_t *)(uintptr_t)a,
		.bytes = a_bytes,
		.random = (seed + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15),
	};
	struct input right = {
		.data = (uint8_t *)(uintptr_t)b,
		.bytes = b_bytes,
	};
	size_t begins = a_bytes, ends = b_bytes, bytes;

	cut(&left);
	cut(&right);
	if (left.count)
		begins = left.parts[any(&left, left.count)].at;
	if (right.count)
		ends = right.parts[any(&left, right.count)].at;
	if (begins > room)
		begins = room;
	memcpy(out, a, begins);
	bytes = b_bytes - ends < room - begins ? b_bytes - ends : room - begins;
	if (bytes)
		memcpy(out + begins, b + ends, bytes);
	return begins + bytes;
}
