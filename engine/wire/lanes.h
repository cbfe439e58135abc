/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_WIRE_LANES_H
#define RJ_ENGINE_WIRE_LANES_H
/*
 * Bodies of what is said about lanes that are lost, and of those that return. A
 * lane is a data connection, named by its channel; its epoch is how often it
 * was connected anew.
 */
#include "engine/wire/wire.h"

/* LOST: the sender's end of a lane is dead. */
struct rj_lost {
	uint16_t lane;
	/* From the target: the final round is applied, so nothing of the lane
	 * is missing, and nothing follows from its end. */
	bool finished;
	uint32_t epoch;
	/* From the target: PAGES frames of this epoch whose pages are in
	 * memory. From the source: 0. */
	uint64_t frames;
};
void rj_lost_encode(const struct rj_lost *lost, uint8_t out[RJ_LOST_BYTES]);
RJ_NODISCARD int rj_lost_decode(const uint8_t *in, size_t bytes,
				unsigned lane_count, struct rj_lost *ret,
				struct ramjet_error *err);

/* BACK: what the lane may not have delivered goes from this round on.
 * JOINED: the lane counts from this round on. */
struct rj_lane_round {
	uint16_t lane;
	uint32_t epoch;
	uint32_t round;
};
void rj_lane_round_encode(const struct rj_lane_round *body,
			  uint8_t out[RJ_LANE_ROUND_BYTES]);
/* `type` is for the message. */
RJ_NODISCARD int rj_lane_round_decode(enum rj_frame_type type,
				      const uint8_t *in, size_t bytes,
				      unsigned lane_count,
				      struct rj_lane_round *ret,
				      struct ramjet_error *err);

/* TAKEN: for each lane of the session, in order, how far the target is. */
struct rj_taken {
	uint32_t epoch;
	bool waits;      /* at a fence, for other lanes */
	uint64_t frames; /* as in LOST */
};
void rj_taken_encode(const struct rj_taken *lanes, unsigned lane_count,
		     uint8_t *out);
RJ_NODISCARD int rj_taken_decode(const uint8_t *in, size_t bytes,
				 unsigned lane_count, struct rj_taken *ret,
				 struct ramjet_error *err);
#endif
