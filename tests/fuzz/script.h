/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_SCRIPT_H
#define RJ_TESTS_SCRIPT_H
/*
 * What a peer says, as fuzz targets of whole sides read it: some bytes that are the
 * target's own, and then steps, each one byte (where it goes, and when) and a frame.
 * Check words and sums are put right when a step is played, so that mutations reach
 * what lies behind them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/wire/wire.h"

/* The byte before a frame. */
#define SCRIPT_WHERE(lead) ((lead)&3u) /* 0: control link; 1, 2, 3: channels */
#define SCRIPT_AWAIT(lead) ((lead) >> 2 & 7u) /* see the target */
#define SCRIPT_OTHER       0x20u              /* see the target */
#define SCRIPT_CLOSE       0x40u              /* and that connection ends */
#define SCRIPT_AS_IT_IS \
	0x80u /* its check word, and whatever else is put right */

/* Steps of a script that are played. */
#define SCRIPT_STEPS_MAX 128u

struct script {
	uint8_t *data; /* writable */
	size_t bytes, at;
};

struct script_step {
	uint8_t lead;
	uint8_t *wire;
	size_t bytes; /* fewer than the frame has: it is cut off */
};

/* How a target's inputs are laid out: what fuzz_mutate.c must know of them. Each
 * target defines it. */
struct script_shape {
	size_t head_bytes; /* before the first frame */
	size_t lead_bytes; /* before each frame */
};
extern const struct script_shape script_shape;

/* False: there is no more. The frame is where it lies in `data`. */
bool script_next(struct script *script, struct script_step *ret);
/* How long the frame there is, as its header says; at most `left`. */
size_t script_frame_bytes(const uint8_t *wire, size_t left);
/* Its check word, and its sum of the payload; nothing if it is no frame at all, or cut
 * off. */
void script_put_right(uint8_t *wire, size_t bytes);
#endif
