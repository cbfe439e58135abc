/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_FAKE_TARGET_H
#define RJ_TESTS_FAKE_TARGET_H
/*
 * A real source, and a target played by the test, which behaves up to a step
 * and then does as it likes.
 */
#include <semaphore.h>

#include "tests/unit/engine/move.h"
#include "tests/unit/engine/wire_peer.h"

/* How far the target behaves. */
enum step {
	STEP_CONNECTED,  /* HELLO was read, not answered */
	STEP_HELLO,      /* answered; BLOCKS was read */
	STEP_ACTIVE,     /* ACCEPT was sent; channels came; the source holds */
	STEP_SWITCHOVER, /* SWITCHOVER was read */
	STEP_APPLIED,    /* of all rounds */
	STEP_READY,      /* sent; COMMIT was read */
	STEP_COUNT_,
};

struct fake_target {
	struct move move; /* only its source is used */
	struct wire_peer peer;
	uint8_t token[RJ_COMMIT_BYTES]; /* of COMMIT */
	/* for a notifier of a test's */
	sem_t committed;
	bool commit_was_early;
};

/* For cmocka: *state is a struct fake_target. */
int fake_target_setup(void **state);
int fake_target_teardown(void **state);
#define PEER_TEST(test)                                          \
	cmocka_unit_test_setup_teardown(test, fake_target_setup, \
					fake_target_teardown)

/* Listen, and have a source that will hold; then behave up to `step`. */
void fake_target_begin(struct fake_target *s);
void fake_target_reach(struct fake_target *s, enum step step);
/* After ACCEPT: the connections that must come now. */
void fake_target_take_channels(struct wire_peer *peer);
void fake_target_done(struct fake_target *s);

/* The source has ended; its guest runs, as it must before COMMIT; or not, as
 * after it; or whichever of these `step` calls for. */
void fake_target_await_source(struct fake_target *s);
void fake_target_expect_source_runs(struct fake_target *s);
void fake_target_expect_handed_over(struct fake_target *s);
void fake_target_expect_end(struct fake_target *s, enum step step);
#endif
