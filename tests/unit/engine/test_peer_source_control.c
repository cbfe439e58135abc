/* SPDX-License-Identifier: BSD-3-Clause */
/* A source that says the wrong thing on its control link. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/engine/fake_source.h"

/* ---- the control link ------------------------------------------------------------------ */

/* clang-format off */
static const struct bad_message {
	enum step from, to;
	struct rj_frame frame;
	int code;
	const char *part;
} bad_messages[] = {
	{ STEP_HELLO, STEP_HELLO, { .type = RJ_FRAME_SWITCHOVER },
	  -EPROTO, "wanted OFFER, GUEST or BLOCKS" },
	{ STEP_HELLO, STEP_HELLO,
	  { .type = RJ_FRAME_PING, .payload_bytes = RJ_PING_BYTES },
	  -EPROTO, "wanted OFFER, GUEST or BLOCKS" },
	{ STEP_ACTIVE, STEP_READY,
	  { .type = RJ_FRAME_PONG, .payload_bytes = RJ_PING_BYTES },
	  -EPROTO, "PONG answers no PING" },
	{ STEP_ACTIVE, STEP_STATE,
	  { .type = RJ_FRAME_COMMIT, .payload_bytes = RJ_COMMIT_BYTES },
	  -EPROTO, "COMMIT" },
	{ STEP_READY, STEP_READY, { .type = RJ_FRAME_SWITCHOVER },
	  -EPROTO, "SWITCHOVER" },
	{ STEP_ACTIVE, STEP_READY, { .type = RJ_FRAME_ACCEPT,
	  .payload_bytes = RJ_ACCEPT_BYTES },
	  -EPROTO, "ACCEPT" },
	{ STEP_ACTIVE, STEP_READY, { .type = RJ_FRAME_APPLIED },
	  -EPROTO, "APPLIED" },
	{ STEP_ACTIVE, STEP_READY, { .type = RJ_FRAME_RUNNING,
	  .payload_bytes = RJ_RUNNING_BYTES },
	  -EPROTO, "RUNNING" },
	{ STEP_ACTIVE, STEP_READY,
	  { .type = RJ_FRAME_READY, .payload_bytes = RJ_READY_BYTES },
	  -EPROTO, "READY" },
	{ STEP_ACTIVE, STEP_READY,
	  { .type = RJ_FRAME_HELLO, .payload_bytes = RJ_HELLO_BYTES },
	  -EPROTO, "HELLO" },
	{ STEP_ACTIVE, STEP_READY,
	  { .type = RJ_FRAME_BLOCKS, .payload_bytes = 33 },
	  -EPROTO, "BLOCKS" },
	{ STEP_ACTIVE, STEP_READY, { .type = RJ_FRAME_FENCE },
	  -EPROTO, "FENCE" },
	{ STEP_ACTIVE, STEP_READY, { .type = 0x7e }, -EPROTO, "0x7e" },
	/* A second record, one too large, of no known kind, after the end. */
	{ STEP_STATE, STEP_READY,
	  { .type = RJ_FRAME_STATE, .aux = RJ_STATE_DEVICE },
	  -EPROTO, "STATE" },
	{ STEP_ACTIVE, STEP_ACTIVE,
	  { .type = RJ_FRAME_STATE, .aux = RJ_STATE_DEVICE,
	    .payload_bytes = FAKE_SOURCE_STATE_BYTES + 1 },
	  -EMSGSIZE, "100 bytes" },
	{ STEP_ACTIVE, STEP_STATE,
	  { .type = RJ_FRAME_STATE, .aux = 3, .payload_bytes = 1 },
	  -EPROTO, "kind 3" },
	{ STEP_ACTIVE, STEP_STATE,
	  { .type = RJ_FRAME_DIGESTS, .payload_bytes = 2 * RJ_DIGEST_BYTES },
	  -EPROTO, "DIGESTS" },
	{ STEP_READY, STEP_READY,
	  { .type = RJ_FRAME_DIGESTS, .payload_bytes = RJ_DIGEST_BYTES },
	  -EPROTO, "DIGESTS" },
};
/* clang-format on */

static void bad_messages_are_refused_and_named(void **state)
{
	static const uint8_t body[2 * FAKE_SOURCE_STATE_BYTES] = { 1 };
	struct fake_source *s = *state;

	for (unsigned i = 0; i < sizeof(bad_messages) / sizeof(bad_messages[0]);
	     i++) {
		const struct bad_message *bad = &bad_messages[i];

		for (unsigned step = bad->from; step <= bad->to; step++) {
			char place[64];

			fake_source_begin(s);
			fake_source_reach(s, step);
			(void)fake_source_place(s, true, place);
			assert_true(fake_source_say(s, &bad->frame, body));
			fake_source_expect_refused(s, step, bad->code,
						   bad->part);
			move_expect_error(&s->move.target_err, bad->code,
					  place);
			fake_source_done(s);
		}
	}
}

static void both_must_agree_which_round_is_the_last(void **state)
{
	const struct rj_frame frame = { .type = RJ_FRAME_SWITCHOVER,
					.round = 1 };
	struct fake_source *s = *state;

	fake_source_begin(s);
	fake_source_reach(s, STEP_STATE);
	assert_true(fake_source_say(s, &frame, NULL));
	fake_source_expect_refused(s, STEP_STATE, -EPROTO, "round 1");
}

static void a_record_that_breaks_off_is_refused(void **state)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_STATE,
		.flags = RJ_FLAG_MORE,
		.aux = RJ_STATE_DEVICE,
		.payload_bytes = 10,
	};
	struct fake_source *s = *state;

	fake_source_begin(s);
	fake_source_reach(s, STEP_ACTIVE);
	assert_true(fake_source_say(s, &frame, fake_source_page));
	assert_true(fake_source_say_type(s, RJ_FRAME_SWITCHOVER));
	fake_source_expect_refused(s, STEP_ACTIVE, -EPROTO, "record");
}

static void digests_that_differ_are_refused(void **state)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_DIGESTS,
		.payload_bytes = RJ_DIGEST_BYTES,
	};
	static const uint8_t body[RJ_DIGEST_BYTES] = { 1 };
	struct fake_source *s = *state;

	fake_source_begin(s);
	fake_source_reach(s, STEP_STATE);
	assert_true(fake_source_say(s, &frame, body));
	assert_true(fake_source_say_type(s, RJ_FRAME_SWITCHOVER));
	fake_source_expect_refused(s, STEP_STATE, -EBADMSG,
				   "block ram0 differs");
	assert_int_equal(small_vm_calls(&s->move.target, VM_LOAD), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_SOURCE_TEST(bad_messages_are_refused_and_named),
		FAKE_SOURCE_TEST(both_must_agree_which_round_is_the_last),
		FAKE_SOURCE_TEST(a_record_that_breaks_off_is_refused),
		FAKE_SOURCE_TEST(digests_that_differ_are_refused),
	};

	return cmocka_run_group_tests_name("peer source control", tests, NULL,
					   NULL);
}
