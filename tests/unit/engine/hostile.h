/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_HOSTILE_H
#define RJ_TESTS_HOSTILE_H
/*
 * Frames as docs/protocol.md has them, a second time and byte by byte, for a peer that
 * sends each of them whenever it must not, and changes each field of those that it may.
 * A new type of frame is a row of `hostile_frames`; the tests then ask for its place.
 */
#include <stdbool.h>

#include "engine/wire/wire.h"

#define HOSTILE_BYTES_MAX 8192u

struct hostile_frame {
	uint8_t type;
	/* How it is sent here: its table is a raw page, its payload as below. */
	uint32_t runs, payload_bytes;
	/* What its header may say. */
	uint32_t payload_min,
		payload_max; /* of this one, where that tells more */
	uint8_t flags;       /* beside OPTIONAL */
	uint32_t aux, aux_min, aux_max;
	bool any_round;
	/* What its payload is, as far as it is not 0. */
	struct {
		uint8_t bytes[40];
	} body;
};
extern const struct hostile_frame hostile_frames[];
extern const unsigned hostile_frame_count;
/* NULL: no such type. */
const struct hostile_frame *hostile_find(uint8_t type);

/* The frame as it must be; returns its bytes. Of a type that is none: its header. */
size_t hostile_build(uint8_t type, uint8_t wire[HOSTILE_BYTES_MAX]);

/* What is sent behind a frame: if this is what was wrong, the frame was taken. */
#define HOSTILE_GARBAGE_BYTES RJ_HEADER_BYTES
extern const uint8_t hostile_garbage[HOSTILE_GARBAGE_BYTES];
bool hostile_is_garbage(const struct ramjet_error *err);

/* Refused for its type and the moment alone, and named: not for what is in it. */
bool hostile_is_out_of_turn(const struct ramjet_error *err, uint8_t type);

/* A field: `bytes` little endian at `at` of the frame. Legal from min to max. */
struct hostile_field {
	uint8_t type;
	const char *name;
	unsigned at, bytes;
	uint64_t min, max;
};
/* Put it there, and the check word right. */
void hostile_set(uint8_t *wire, size_t bytes, const struct hostile_field *field,
		 uint64_t value);
/* All values that are tried: 0, beside and at the limits, and all bits set. Returns how
 * many. */
#define HOSTILE_VALUES 6u
unsigned hostile_values(const struct hostile_field *field,
			uint64_t ret[HOSTILE_VALUES]);
/* Fields of every frame's header; the array ends with a name of NULL. */
#define HOSTILE_HEADER_FIELDS 16u
void hostile_header_fields(uint8_t type,
			   struct hostile_field ret[HOSTILE_HEADER_FIELDS]);
#endif
