/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/wire/lanes.h"

#include <errno.h>

#include "util/error.h"

#define LOST_FINISHED 1u
#define TAKEN_WAITS   1u

static int check_lane(const char *name, unsigned lane, unsigned lane_count,
		      struct ramjet_error *err)
{
	if (lane < lane_count)
		return 0;
	return rj_fail(err, -EPROTO, "%s: lane %u, the session has %u", name,
		       lane, lane_count);
}

/* LOST: 0 lane u16, 2 flags u16, 4 epoch u32, 8 frames u64, 16 reserved[8]. */
void rj_lost_encode(const struct rj_lost *lost, uint8_t out[RJ_LOST_BYTES])
{
	rj_put16(out, lost->lane);
	rj_put16(out + 2, lost->finished ? LOST_FINISHED : 0);
	rj_put32(out + 4, lost->epoch);
	rj_put64(out + 8, lost->frames);
	rj_put64(out + 16, 0);
}

int rj_lost_decode(const uint8_t *in, size_t bytes, unsigned lane_count,
		   struct rj_lost *ret, struct ramjet_error *err)
{
	int rc;

	if (bytes != RJ_LOST_BYTES || rj_get16(in + 2) & ~LOST_FINISHED ||
	    rj_get64(in + 16))
		return rj_fail(err, -EPROTO, "LOST: malformed");
	rc = check_lane("LOST", rj_get16(in), lane_count, err);
	if (rc)
		return rc;
	*ret = (struct rj_lost){
		.lane = rj_get16(in),
		.finished = rj_get16(in + 2) & LOST_FINISHED,
		.epoch = rj_get32(in + 4),
		.frames = rj_get64(in + 8),
	};
	return 0;
}

/* BACK and JOINED: 0 lane u16, 2 reserved u16, 4 epoch u32, 8 round u32,
 * 12 reserved u32. */
void rj_lane_round_encode(const struct rj_lane_round *body,
			  uint8_t out[RJ_LANE_ROUND_BYTES])
{
	rj_put16(out, body->lane);
	rj_put16(out + 2, 0);
	rj_put32(out + 4, body->epoch);
	rj_put32(out + 8, body->round);
	rj_put32(out + 12, 0);
}

int rj_lane_round_decode(enum rj_frame_type type, const uint8_t *in,
			 size_t bytes, unsigned lane_count,
			 struct rj_lane_round *ret, struct ramjet_error *err)
{
	const char *name = rj_frame_type_name((uint8_t)type);
	int rc;

	if (bytes != RJ_LANE_ROUND_BYTES || rj_get16(in + 2) ||
	    rj_get32(in + 12))
		return rj_fail(err, -EPROTO, "%s: malformed", name);
	rc = check_lane(name, rj_get16(in), lane_count, err);
	if (rc)
		return rc;
	*ret = (struct rj_lane_round){
		.lane = rj_get16(in),
		.epoch = rj_get32(in + 4),
		.round = rj_get32(in + 8),
	};
	return 0;
}

/* TAKEN, a lane: 0 epoch u32, 4 flags u32, 8 frames u64. */
void rj_taken_encode(const struct rj_taken *lanes, unsigned lane_count,
		     uint8_t *out)
{
	for (unsigned i = 0; i < lane_count; i++, out += RJ_TAKEN_BYTES) {
		rj_put32(out, lanes[i].epoch);
		rj_put32(out + 4, lanes[i].waits ? TAKEN_WAITS : 0);
		rj_put64(out + 8, lanes[i].frames);
	}
}

int rj_taken_decode(const uint8_t *in, size_t bytes, unsigned lane_count,
		    struct rj_taken *ret, struct ramjet_error *err)
{
	if (bytes != (size_t)lane_count * RJ_TAKEN_BYTES)
		return rj_fail(err, -EPROTO,
			       "TAKEN: %zu bytes, wanted %u for each of %u "
			       "lanes",
			       bytes, RJ_TAKEN_BYTES, lane_count);
	for (unsigned i = 0; i < lane_count; i++)
		if (rj_get32(in + i * RJ_TAKEN_BYTES + 4) & ~TAKEN_WAITS)
			return rj_fail(err, -EPROTO, "TAKEN: malformed");
	for (unsigned i = 0; i < lane_count; i++, in += RJ_TAKEN_BYTES)
		ret[i] = (struct rj_taken){
			.epoch = rj_get32(in),
			.waits = rj_get32(in + 4) & TAKEN_WAITS,
			.frames = rj_get64(in + 8),
		};
	return 0;
}
