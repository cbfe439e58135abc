/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_FAKE_SOURCE_H
#define RJ_TESTS_FAKE_SOURCE_H
/*
 * A real target, and a source played by the test, which behaves up to a step
 * and then does as it likes.
 */
#include "tests/unit/engine/move.h"
#include "tests/unit/engine/wire_peer.h"

#define FAKE_SOURCE_PAGES       64u /* of the only block */
#define FAKE_SOURCE_STATE_BYTES 100u
#define FAKE_SOURCE_SESSION     "0123456789abcde"

/* How far the source behaves. */
enum step {
	STEP_HELLO,  /* the control link is there */
	STEP_ACTIVE, /* BLOCKS sent, ACCEPT read, channels, page 0 sent */
	STEP_STATE,  /* all of round 0, the final one, and device state */
	STEP_READY,  /* SWITCHOVER sent, READY read */
	STEP_COUNT_,
};

struct fake_source {
	struct move move; /* only its target is used */
	struct wire_peer peer;
	uint64_t control_bytes; /* sent so far */
	uint64_t data_bytes;    /* on channel 0 */
	uint8_t *before;        /* what the target's memory held */
	/* A connection to the target, its descriptor here; NULL: to its socket. */
	int (*connect)(struct fake_source *s);
};

/* What fake_source_one_page() sends. */
extern uint8_t fake_source_page[RAMJET_PAGE_BYTES];

/* For cmocka: *state is a struct fake_source. */
int fake_source_setup(void **state);
int fake_source_teardown(void **state);
#define FAKE_SOURCE_TEST(test)                                   \
	cmocka_unit_test_setup_teardown(test, fake_source_setup, \
					fake_source_teardown)

/* The target listens. */
void fake_source_begin(struct fake_source *s);
/* Everything but that: move_listen() then does it. */
void fake_source_prepare(struct fake_source *s);
/* The control link; with channels also BLOCKS, ACCEPT, and the first ones. */
void fake_source_connect(struct fake_source *s, unsigned channels);
/* Channels [from, to). */
void fake_source_connect_channels(struct fake_source *s, unsigned from,
				  unsigned to);
/* With the control link there, and all channels from STEP_ACTIVE on. */
void fake_source_go_on(struct fake_source *s, enum step step);
/* All of that. */
void fake_source_reach(struct fake_source *s, enum step step);
void fake_source_done(struct fake_source *s);

/* On the control link, counted; as are those on channel 0. False: the target
 * has closed it. */
bool fake_source_say(struct fake_source *s, const struct rj_frame *frame,
		     const void *payload);
bool fake_source_say_type(struct fake_source *s, enum rj_frame_type type);
/* Of the right bytes for the target, from the first on. */
void fake_source_say_state(struct fake_source *s, uint32_t bytes);
bool fake_source_pages(struct fake_source *s, const struct rj_frame *frame,
		       const uint8_t *table, const void *payload);
/* Raw, in round 0. */
bool fake_source_one_page(struct fake_source *s, uint64_t page);
/* Of round 0, on all channels. */
void fake_source_final_fences(struct fake_source *s);
/* "channel 0, offset 72": where the next frame goes. */
const char *fake_source_place(const struct fake_source *s, bool control,
			      char text[64]);

void fake_source_await_target(struct fake_source *s);
/* Only page 0 came: every other one is as it was, or cleared. */
void fake_source_expect_clean(const struct fake_source *s);
/* Refused, with this code and these words, and the source is told the same. */
void fake_source_expect_refused(struct fake_source *s, enum step step, int code,
				const char *part);
#endif
