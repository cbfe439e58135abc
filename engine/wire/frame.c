/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/wire/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

#include "engine/wire/bytes.h"
#include "util/error.h"

/* Offsets in the header. */
enum {
	AT_MAGIC = 0,
	AT_TYPE = 4,
	AT_FLAGS = 5,
	AT_BLOCK = 6,
	AT_ROUND = 8,
	AT_RUN_COUNT = 12,
	AT_PAYLOAD_BYTES = 16,
	AT_AUX = 20,
	AT_RESERVED = 24,
	AT_PAYLOAD_SUM = 20, /* of CHECKED pages: aux and reserved together */
	AT_CHECK = 28,
};
static_assert(AT_CHECK + 4 == RJ_HEADER_BYTES, "header layout");

/* What a frame of each type may carry; the table is the specification. */
struct shape {
	const char *name;
	uint32_t payload_min, payload_max;
	uint32_t unit; /* payload is a multiple of; 0: any */
	uint8_t flags; /* allowed besides OPTIONAL */
	bool runs;     /* has a table */
	bool round;    /* the round field means something */
	bool aux;
};

#define SHAPE(type_name, least, most) \
	.name = (type_name), .payload_min = (least), .payload_max = (most)
static const struct shape shapes[] = {
	[RJ_FRAME_HELLO] = { SHAPE("HELLO", RJ_HELLO_BYTES, RJ_HELLO_BYTES) },
	[RJ_FRAME_BLOCKS] = { SHAPE("BLOCKS", 8, RJ_CONTROL_BODY_MAX) },
	[RJ_FRAME_ACCEPT] = { SHAPE("ACCEPT", RJ_ACCEPT_BYTES,
				    RJ_ACCEPT_BYTES) },
	[RJ_FRAME_FAILED] = { SHAPE("FAILED", 8, RJ_FAILED_BYTES_MAX) },
	[RJ_FRAME_CANCEL] = { SHAPE("CANCEL", 0, 0) },
	[RJ_FRAME_PING] = { SHAPE("PING", RJ_PING_BYTES, RJ_PING_BYTES) },
	[RJ_FRAME_PONG] = { SHAPE("PONG", RJ_PING_BYTES, RJ_PING_BYTES) },
	[RJ_FRAME_OFFER] = { SHAPE("OFFER", RJ_KINDS_BYTES, RJ_KINDS_BYTES) },
	[RJ_FRAME_TAKES] = { SHAPE("TAKES", RJ_KINDS_BYTES, RJ_KINDS_BYTES) },
	[RJ_FRAME_GUEST] = { SHAPE("GUEST", 0, RJ_GUEST_BODY_MAX) },
	[RJ_FRAME_PAGES] = { SHAPE("PAGES", 0, RJ_PAGES_PAYLOAD_MAX),
			     .flags = RJ_FLAG_CHECKED, .runs = true,
			     .round = true },
	[RJ_FRAME_FENCE] = { SHAPE("FENCE", 0, 0), .flags = RJ_FLAG_FINAL,
			     .round = true },
	[RJ_FRAME_STATE] = { SHAPE("STATE", 0, RJ_CONTROL_BODY_MAX),
			     .flags = RJ_FLAG_MORE, .aux = true },
	[RJ_FRAME_DIGESTS] = { SHAPE("DIGESTS", RJ_DIGEST_BYTES,
				     RJ_BLOCKS_MAX *RJ_DIGEST_BYTES),
			       .unit = RJ_DIGEST_BYTES, .aux = true },
	[RJ_FRAME_APPLIED] = { SHAPE("APPLIED", 0, 0), .round = true },
	[RJ_FRAME_SWITCHOVER] = { SHAPE("SWITCHOVER", 0, 0), .round = true },
	[RJ_FRAME_READY] = { SHAPE("READY", RJ_READY_BYTES, RJ_READY_BYTES) },
	[RJ_FRAME_COMMIT] = { SHAPE("COMMIT", RJ_COMMIT_BYTES, RJ_COMMIT_BYTES),
			      .flags = RJ_FLAG_PAUSED },
	[RJ_FRAME_RUNNING] = { SHAPE("RUNNING", RJ_RUNNING_BYTES,
				     RJ_RUNNING_BYTES) },
	[RJ_FRAME_LOST] = { SHAPE("LOST", RJ_LOST_BYTES, RJ_LOST_BYTES) },
	[RJ_FRAME_BACK] = { SHAPE("BACK", RJ_LANE_ROUND_BYTES,
				  RJ_LANE_ROUND_BYTES) },
	[RJ_FRAME_JOINED] = { SHAPE("JOINED", RJ_LANE_ROUND_BYTES,
				    RJ_LANE_ROUND_BYTES) },
	[RJ_FRAME_TAKEN] = { SHAPE("TAKEN", RJ_TAKEN_BYTES,
				   RAMJET_CHANNELS_MAX *RJ_TAKEN_BYTES),
			     .unit = RJ_TAKEN_BYTES },
	[RJ_FRAME_RESUME] = { SHAPE("RESUME", RJ_RESUME_BYTES,
				    RJ_RESUME_BYTES) },
	[RJ_FRAME_KEEPS] = { SHAPE("KEEPS", RJ_KEEPS_BYTES, RJ_KEEPS_BYTES) },
	[RJ_FRAME_HEARD] = { SHAPE("HEARD", RJ_HEARD_BYTES, RJ_HEARD_BYTES) },
};

/* Types that have a purpose, and no meaning yet. */
static const struct {
	uint8_t first, last;
	const char *purpose;
} reserved_types[] = {
	{ 0x11, 0x13, "page codecs" },
	{ 0x18, 0x1b, "disks" },
	{ 0x22, 0x23, "auditing" },
	{ 0x40, 0x47, "post-copy" },
};

static const struct shape *shape_of(uint8_t type)
{
	if (type >= RJ_ARRAY_SIZE(shapes) || !shapes[type].name)
		return NULL;
	return &shapes[type];
}

const char *rj_frame_type_name(uint8_t type)
{
	const struct shape *shape = shape_of(type);

	return shape ? shape->name : "unknown";
}

static uint32_t check_of(const uint8_t header[RJ_HEADER_BYTES],
			 const void *table, size_t table_bytes,
			 const void *covered, size_t covered_bytes)
{
	XXH64_state_t state;

	(void)XXH64_reset(&state, 0);
	(void)XXH64_update(&state, header, AT_CHECK);
	if (table_bytes)
		(void)XXH64_update(&state, table, table_bytes);
	if (covered_bytes)
		(void)XXH64_update(&state, covered, covered_bytes);
	return (uint32_t)XXH64_digest(&state);
}

void rj_frame_encode(const struct rj_frame *frame, const void *table,
		     const void *covered, uint8_t out[RJ_HEADER_BYTES])
{
	rj_put32(out + AT_MAGIC, RJ_WIRE_MAGIC);
	out[AT_TYPE] = frame->type;
	out[AT_FLAGS] = frame->flags;
	rj_put16(out + AT_BLOCK, frame->block);
	rj_put32(out + AT_ROUND, frame->round);
	rj_put32(out + AT_RUN_COUNT, frame->run_count);
	rj_put32(out + AT_PAYLOAD_BYTES, frame->payload_bytes);
	if (frame->flags & RJ_FLAG_CHECKED) {
		rj_put64(out + AT_PAYLOAD_SUM, frame->payload_sum);
	} else {
		rj_put32(out + AT_AUX, frame->aux);
		rj_put32(out + AT_RESERVED, 0);
	}
	rj_put32(out + AT_CHECK,
		 check_of(out, table, (size_t)frame->run_count * RJ_RUN_BYTES,
			  covered, rj_frame_covered_bytes(frame)));
}

/* Limits that hold for every frame, known or not. */
static int check_limits(const struct rj_frame *frame, struct ramjet_error *err)
{
	if (frame->run_count > RJ_RUNS_MAX)
		return rj_fail(err, -EPROTO,
			       "frame type 0x%02x: %u runs, at most %u allowed",
			       frame->type, frame->run_count, RJ_RUNS_MAX);
	if (frame->payload_bytes > RJ_PAGES_PAYLOAD_MAX)
		return rj_fail(err, -EPROTO,
			       "frame type 0x%02x: payload of %u bytes, "
			       "at most %u allowed",
			       frame->type, frame->payload_bytes,
			       RJ_PAGES_PAYLOAD_MAX);
	return 0;
}

static int check_shape(const struct rj_frame *frame, const struct shape *shape,
		       struct ramjet_error *err)
{
	const uint8_t flags = frame->flags & (uint8_t)~RJ_FLAG_OPTIONAL;

	if (flags & (uint8_t)~shape->flags)
		return rj_fail(err, -EPROTO,
			       "%s frame: flags 0x%02x, allowed 0x%02x",
			       shape->name, flags, shape->flags);
	if (frame->payload_bytes < shape->payload_min ||
	    frame->payload_bytes > shape->payload_max)
		return rj_fail(err, -EPROTO,
			       "%s frame: payload of %u bytes, "
			       "wanted %u to %u",
			       shape->name, frame->payload_bytes,
			       shape->payload_min, shape->payload_max);
	if (shape->unit && frame->payload_bytes % shape->unit)
		return rj_fail(err, -EPROTO,
			       "%s frame: payload of %u bytes, "
			       "wanted a multiple of %u",
			       shape->name, frame->payload_bytes, shape->unit);
	if (shape->runs != (frame->run_count > 0))
		return rj_fail(err, -EPROTO, "%s frame: %u runs, wanted %s",
			       shape->name, frame->run_count,
			       shape->runs ? "at least 1" : "none");
	if ((!shape->runs && frame->block) || (!shape->round && frame->round) ||
	    (!shape->aux && frame->aux))
		return rj_fail(err, -EPROTO,
			       "%s frame: block %u, round %u, aux %u: "
			       "fields it does not use must be 0",
			       shape->name, frame->block, frame->round,
			       frame->aux);
	if (frame->type == RJ_FRAME_DIGESTS && frame->aux > RJ_DIGESTS_AUX_MAX)
		return rj_fail(err, -EPROTO,
			       "DIGESTS frame: aux %u, wanted 0 (of what was "
			       "touched) or 1 (of every page)",
			       frame->aux);
	if (frame->type == RJ_FRAME_STATE && frame->aux != RJ_STATE_DEVICE &&
	    frame->aux != RJ_STATE_HELPERS &&
	    !(frame->flags & RJ_FLAG_OPTIONAL))
		return rj_fail(err, -EPROTO,
			       "STATE frame: unknown mandatory kind %u",
			       frame->aux);
	return 0;
}

static int refuse_unknown(uint8_t type, struct ramjet_error *err)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(reserved_types); i++)
		if (type >= reserved_types[i].first &&
		    type <= reserved_types[i].last)
			return rj_fail(err, -EPROTO,
				       "frame type 0x%02x is reserved for %s, "
				       "which this side does not know",
				       type, reserved_types[i].purpose);
	return rj_fail(err, -EPROTO, "unknown mandatory frame type 0x%02x",
		       type);
}

/* Bits without meaning are not guessed at. */
static int check_bits(const uint8_t in[RJ_HEADER_BYTES],
		      const struct rj_frame *frame, struct ramjet_error *err)
{
	if (frame->flags & ~RJ_FLAGS_KNOWN)
		return rj_fail(err, -EPROTO, "unknown frame flags 0x%02x",
			       frame->flags);
	if (!(frame->flags & RJ_FLAG_CHECKED) && rj_get32(in + AT_RESERVED))
		return rj_fail(err, -EPROTO,
			       "reserved header bytes are 0x%08x, wanted 0",
			       rj_get32(in + AT_RESERVED));
	return 0;
}

int rj_frame_decode(const uint8_t in[RJ_HEADER_BYTES], struct rj_frame *ret,
		    struct ramjet_error *err)
{
	const struct shape *shape;
	struct rj_frame frame = {
		.type = in[AT_TYPE],
		.flags = in[AT_FLAGS],
		.block = rj_get16(in + AT_BLOCK),
		.round = rj_get32(in + AT_ROUND),
		.run_count = rj_get32(in + AT_RUN_COUNT),
		.payload_bytes = rj_get32(in + AT_PAYLOAD_BYTES),
		.aux = rj_get32(in + AT_AUX),
		.check = rj_get32(in + AT_CHECK),
	};
	int rc;

	if (rj_get32(in + AT_MAGIC) != RJ_WIRE_MAGIC)
		return rj_fail(err, -EPROTO,
			       "bad magic 0x%08x, wanted 0x%08x: "
			       "this is not a ramjet stream",
			       rj_get32(in + AT_MAGIC), RJ_WIRE_MAGIC);
	shape = shape_of(frame.type);
	if (frame.flags & RJ_FLAG_CHECKED) {
		frame.payload_sum = rj_get64(in + AT_PAYLOAD_SUM);
		frame.aux = 0;
	}
	rc = check_bits(in, &frame, err);
	if (!rc)
		rc = check_limits(&frame, err);
	if (!rc && shape)
		rc = check_shape(&frame, shape, err);
	else if (!rc && !(frame.flags & RJ_FLAG_OPTIONAL))
		rc = refuse_unknown(frame.type, err);
	if (!rc)
		*ret = frame;
	return rc;
}

int rj_frame_verify(const uint8_t header[RJ_HEADER_BYTES],
		    const struct rj_frame *frame, const void *table,
		    const void *covered, struct ramjet_error *err)
{
	const uint32_t check =
		check_of(header, table, (size_t)frame->run_count * RJ_RUN_BYTES,
			 covered, rj_frame_covered_bytes(frame));

	if (check != frame->check)
		return rj_fail(err, -EBADMSG,
			       "%s frame: check word 0x%08x, computed 0x%08x: "
			       "the stream is damaged",
			       rj_frame_type_name(frame->type), frame->check,
			       check);
	return 0;
}

void rj_run_encode(const struct rj_wire_run *run, uint8_t out[RJ_RUN_BYTES])
{
	assert(run->page >> RJ_RUN_PAGE_BITS == 0);
	assert(run->count && run->count <= RJ_RUN_COUNT_MAX);
	rj_put64(out, run->page | (uint64_t)run->count << RJ_RUN_PAGE_BITS |
			      (uint64_t)run->kind << 60);
}
