/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_LOSSY_TARGET_H
#define RJ_TESTS_LOSSY_TARGET_H
/*
 * A real source, and a target played by the test that has memory, and loses
 * connections when the test says so: it applies pages and fences as they come, one
 * frame at a time, and says of lanes what a target says.
 */
#include "engine/wire/lanes.h"
#include "engine/wire/wire.h"
#include "tests/unit/engine/move.h"

#define LOSSY_LANES 3u

struct lossy_lane {
	int fd; /* -1: none */
	uint32_t epoch;
	uint64_t frames;
	bool counts;
	bool said; /* LOST, of this epoch */
	bool at_fence, final;
	bool held; /* nothing is read from it */
};

struct lossy_target {
	struct move move; /* only its source is used */
	int listener, control;
	struct rj_hello hello;
	struct lossy_lane lanes[LOSSY_LANES];
	uint8_t *memory[SMALL_VM_BLOCKS];
	uint32_t applied, void_before;
	unsigned unanswered;
	bool over;      /* the final round is applied */
	bool announced; /* SWITCHOVER was read, and holds */
	bool ready, committed;
	unsigned switchovers, backs, joins, losts; /* frames of the source's */
	bool mute;                                 /* does not answer LOST */
	bool shut;                                 /* nobody may return */
	bool tells;                                /* TAKEN, after each frame */
	/* Called after each frame of a lane, and each of the control link (lane
	 * LOSSY_LANES). */
	void (*on_frame)(struct lossy_target *t, unsigned lane,
			 const struct rj_frame *frame);
	unsigned phase; /* the test's */
};

int lossy_target_setup(void **state);
int lossy_target_teardown(void **state);

/* Begin a guest that is written to; up to ACCEPT and its lanes. */
void lossy_target_begin(struct lossy_target *t, uint32_t reconnect_ms);
/* Take what comes until `done`, or until the source closes its control link. */
void lossy_target_run(struct lossy_target *t,
		      bool (*done)(struct lossy_target *t));
/* Close a lane without a word; or as a target does that has noticed. */
void lossy_target_cut(struct lossy_target *t, unsigned lane);
void lossy_target_lose(struct lossy_target *t, unsigned lane);
/* The source has ended: its result and info are in t->move. */
void lossy_target_await(struct lossy_target *t);
/* After COMMIT: the source's memory is here. */
void lossy_target_expect_whole(struct lossy_target *t);
#endif
