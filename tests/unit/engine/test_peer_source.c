/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A real target, and a source played by the test that sends nonsense at every
 * step. The target's guest must never start, nothing but what was legally
 * sent may be in its memory, and the report names the connection.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/engine/move.h"
#include "tests/unit/engine/wire_peer.h"

#define PAGES       64u
#define STATE_BYTES 100u
#define BAD_PAGE    40u /* what refused frames try to write */

/* How far the source behaves. */
enum step {
	STEP_HELLO,  /* control link and channels are there */
	STEP_ACTIVE, /* BLOCKS sent, ACCEPT read, page 0 sent */
	STEP_STATE,  /* all of round 0, the final one, and device state */
	STEP_READY,  /* SWITCHOVER sent, READY read */
	STEP_COUNT_,
};

struct scene {
	struct move move; /* only its target is used */
	struct wire_peer peer;
	uint64_t control_bytes; /* sent so far */
	uint64_t data_bytes;    /* on channel 0 */
};

static uint8_t page_of_7[RAMJET_PAGE_BYTES];

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	memset(page_of_7, 7, sizeof(page_of_7));
	wire_peer_init(&s->peer);
	*state = s;
	return 0;
}

static void done(struct scene *s)
{
	wire_peer_done(&s->peer);
	move_done(&s->move);
}

static int teardown(void **state)
{
	done(*state);
	free(*state);
	return 0;
}

/* ---- behaving -------------------------------------------------------------------- */

static bool say(struct scene *s, const struct rj_frame *frame,
		const void *payload)
{
	s->control_bytes += wire_peer_frame_bytes(frame);
	return wire_peer_send(s->peer.control, frame, NULL, payload);
}

static bool say_type(struct scene *s, enum rj_frame_type type)
{
	const struct rj_frame frame = { .type = (uint8_t)type };

	return say(s, &frame, NULL);
}

static bool pages(struct scene *s, const struct rj_frame *frame,
		  const uint8_t *table, const void *payload)
{
	s->data_bytes += wire_peer_frame_bytes(frame);
	return wire_peer_send(s->peer.data[0], frame, table, payload);
}

/* One raw page, in round 0. */
static bool one_page(struct scene *s, uint64_t page)
{
	const struct rj_wire_run run = { page, 1, RJ_RUN_RAW };
	const struct rj_frame frame = {
		.type = RJ_FRAME_PAGES,
		.run_count = 1,
		.payload_bytes = RAMJET_PAGE_BYTES,
	};
	uint8_t table[RJ_RUN_BYTES];

	rj_run_encode(&run, table);
	return pages(s, &frame, table, page_of_7);
}

static void say_blocks(struct scene *s)
{
	const struct rj_wire_block block = {
		.name = "ram0",
		.bytes = PAGES * RAMJET_PAGE_BYTES,
		.page_bytes = RAMJET_PAGE_BYTES,
	};
	struct rj_frame frame = { .type = RJ_FRAME_BLOCKS };
	uint8_t body[128];

	frame.payload_bytes = (uint32_t)rj_blocks_encode(&block, 1, body);
	assert_true(say(s, &frame, body));
}

static void connect_all(struct scene *s)
{
	struct wire_peer *peer = &s->peer;
	struct rj_frame frame;
	struct rj_hello hello = {
		.version_min = RJ_WIRE_VERSION,
		.version_max = RJ_WIRE_VERSION,
		.channel_count = WIRE_PEER_CHANNELS,
		.session = "0123456789abcde",
	};

	peer->control = wire_peer_connect(s->move.folder);
	assert_true(wire_peer_send_hello(peer->control, &hello));
	assert_true(wire_peer_read(peer->control, &frame, NULL, 0));
	assert_int_equal(frame.type, RJ_FRAME_HELLO);
	hello.role = RJ_ROLE_DATA;
	for (unsigned i = 0; i < WIRE_PEER_CHANNELS; i++) {
		hello.channel_index = (uint16_t)i;
		peer->data[i] = wire_peer_connect(s->move.folder);
		assert_true(wire_peer_send_hello(peer->data[i], &hello));
	}
	s->control_bytes = s->data_bytes = RJ_HEADER_BYTES + RJ_HELLO_BYTES;
}

static void final_fences(struct scene *s)
{
	for (unsigned i = 0; i < WIRE_PEER_CHANNELS; i++)
		assert_true(wire_peer_send_round(
			s->peer.data[i], RJ_FRAME_FENCE, 0, RJ_FLAG_FINAL));
	s->data_bytes += RJ_HEADER_BYTES;
}

static void say_state(struct scene *s, uint32_t bytes)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_STATE,
		.aux = RJ_STATE_DEVICE,
		.payload_bytes = bytes,
	};
	uint8_t body[2 * STATE_BYTES];

	/* As small_vm.c wants it. */
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 31 + (i >> 10));
	assert_true(say(s, &frame, body));
}

static void begin(struct scene *s)
{
	const struct small_vm_options is = {
		.bytes = { PAGES * RAMJET_PAGE_BYTES },
		.state_bytes = STATE_BYTES,
	};

	move_init(&s->move, &is);
	wire_peer_init(&s->peer);
	small_vm_power_off(&s->move.source);
	s->move.target_params.state_bytes_max = STATE_BYTES;
	move_listen(&s->move);
}

static void reach(struct scene *s, enum step step)
{
	struct rj_frame frame;

	connect_all(s);
	if (step >= STEP_ACTIVE) {
		say_blocks(s);
		assert_true(wire_peer_read(s->peer.control, &frame, NULL, 0));
		assert_int_equal(frame.type, RJ_FRAME_ACCEPT);
		assert_true(one_page(s, 0));
	}
	if (step >= STEP_STATE) {
		final_fences(s);
		assert_true(wire_peer_await(s->peer.control, RJ_FRAME_APPLIED,
					    &frame));
		say_state(s, STATE_BYTES);
	}
	if (step >= STEP_READY) {
		assert_true(say_type(s, RJ_FRAME_SWITCHOVER));
		assert_true(wire_peer_await(s->peer.control, RJ_FRAME_READY,
					    &frame));
	}
}

/* ---- what must come of it ---------------------------------------------------------- */

static void await_target(struct scene *s)
{
	struct move *move = &s->move;

	move->target_rc = ramjet_wait(move->incoming, 60000, &move->target_err);
	if (!ramjet_state_is_final(ramjet_migration_state(move->incoming)))
		fail_msg("the target hangs: %s", move->target_err.message);
}

static void expect_memory_clean(const struct scene *s)
{
	const struct guarded *ram = &s->move.target.ram[0];

	assert_true(guarded_is_intact(ram));
	for (size_t i = RAMJET_PAGE_BYTES; i < ram->bytes; i++)
		if (ram->host[i])
			fail_msg("byte %zu was written", i);
}

/* Refused, with this code and these words, and the source is told the same.
 * Memory was cleared by the time of ACCEPT. */
static void expect_refused(struct scene *s, enum step step, int code,
			   const char *part)
{
	struct ramjet_error theirs;

	await_target(s);
	move_expect_error(&s->move.target_err, code, part);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
	small_vm_expect_last(&s->move.target, RAMJET_STATE_FAILED);
	if (step >= STEP_ACTIVE)
		expect_memory_clean(s);
	wire_peer_hear_end(s->peer.control, &theirs);
	assert_int_equal(theirs.code, code);
	assert_string_equal(theirs.message, s->move.target_err.message);
}

static const char *place_in(const struct scene *s, bool control, char text[64])
{
	(void)snprintf(text, 64, "%s, offset %llu",
		       control ? "control link" : "channel 0",
		       (unsigned long long)(control ? s->control_bytes
						    : s->data_bytes));
	return text;
}

static void the_whole_course_works(void **state)
{
	struct scene *s = *state;
	struct rj_frame frame;

	begin(s);
	reach(s, STEP_READY);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
	assert_true(say_type(s, RJ_FRAME_COMMIT));
	assert_true(wire_peer_await(s->peer.control, RJ_FRAME_RUNNING, &frame));
	await_target(s);
	assert_int_equal(s->move.target_rc, 0);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 1);
	assert_memory_equal(s->move.target.ram[0].host, page_of_7,
			    RAMJET_PAGE_BYTES);
	expect_memory_clean(s);
	small_vm_expect_states(&s->move.target,
			       "setup active switchover committed completed");
}

/* ---- data channels ------------------------------------------------------------------ */

/* A frame with one run and, if raw, its page, on channel 0. */
struct bad_frame {
	struct rj_frame frame;
	uint64_t runs[3]; /* as on the wire */
	int code;
	const char *part;
};

#define RUN(page, count, kind) \
	((uint64_t)(page) | (uint64_t)(count) << 40 | (uint64_t)(kind) << 60)
#define PAGES_FRAME(...)                            \
	{                                           \
		.type = RJ_FRAME_PAGES, __VA_ARGS__ \
	}
#define ONE_RAW .run_count = 1, .payload_bytes = RAMJET_PAGE_BYTES

/* clang-format off */
static const struct bad_frame bad_frames[] = {
	{ PAGES_FRAME(ONE_RAW, .round = 1), { RUN(BAD_PAGE, 1, 0) },
	  -EPROTO, "round 1, wanted round 0" },
	{ PAGES_FRAME(ONE_RAW, .block = 1), { RUN(BAD_PAGE, 1, 0) },
	  -EPROTO, "block 1" },
	{ PAGES_FRAME(ONE_RAW), { RUN(PAGES, 1, 0) },
	  -EPROTO, "ram0" },
	{ PAGES_FRAME(ONE_RAW), { RUN((UINT64_C(1) << 40) - 1, 1, 0) },
	  -EPROTO, "ram0" },
	{ PAGES_FRAME(.run_count = 1,
		      .payload_bytes = 2 * RAMJET_PAGE_BYTES),
	  { RUN(PAGES - 1, 2, 0) }, -EPROTO, "ram0" },
	{ PAGES_FRAME(.run_count = 2,
		      .payload_bytes = 2 * RAMJET_PAGE_BYTES),
	  { RUN(BAD_PAGE, 1, 0), RUN(BAD_PAGE, 1, 0) }, -EPROTO, "ram0" },
	{ PAGES_FRAME(.run_count = 2,
		      .payload_bytes = 2 * RAMJET_PAGE_BYTES),
	  { RUN(BAD_PAGE, 1, 0), RUN(BAD_PAGE - 1, 1, 0) }, -EPROTO, "ram0" },
	{ PAGES_FRAME(ONE_RAW), { RUN(BAD_PAGE, 2, 0) },
	  -EPROTO, "ram0" },
	{ PAGES_FRAME(ONE_RAW), { RUN(BAD_PAGE, 1, 1) },
	  -EPROTO, "ram0" },
	{ PAGES_FRAME(.run_count = 1), { RUN(BAD_PAGE, 1, 0) },
	  -EPROTO, "ram0" },
	{ PAGES_FRAME(ONE_RAW), { RUN(BAD_PAGE, 0, 0) },
	  -EPROTO, "ram0" },
	{ PAGES_FRAME(ONE_RAW), { RUN(BAD_PAGE, 1, 2) },
	  -EPROTO, "ram0" },
	/* A zero run over all, then something wrong: neither may happen. */
	{ PAGES_FRAME(.run_count = 2, .payload_bytes = RAMJET_PAGE_BYTES),
	  { RUN(0, 1, 1), RUN(PAGES, 1, 0) }, -EPROTO, "ram0" },
	{ { .type = RJ_FRAME_FENCE, .round = 1 }, { 0 },
	  -EPROTO, "round 1" },
	{ { .type = RJ_FRAME_FENCE, .round = 0xffffffff }, { 0 },
	  -EPROTO, "round 4294967295" },
	{ { .type = RJ_FRAME_ACCEPT }, { 0 }, -EPROTO, "ACCEPT" },
	{ { .type = RJ_FRAME_COMMIT }, { 0 }, -EPROTO, "COMMIT" },
	{ { .type = RJ_FRAME_SWITCHOVER }, { 0 }, -EPROTO, "SWITCHOVER" },
	{ { .type = RJ_FRAME_STATE, .aux = 1 }, { 0 }, -EPROTO, "STATE" },
	{ { .type = 0x7e }, { 0 }, -EPROTO, "0x7e" },
	{ { .type = 0x11, .run_count = 1, .payload_bytes = 1 },
	  { RUN(BAD_PAGE, 1, 0) }, -EPROTO, "0x11" },
};
/* clang-format on */

static void run_bad_frame(struct scene *s, const struct bad_frame *bad)
{
	static const uint8_t payload[2 * RAMJET_PAGE_BYTES] = { 0xee };
	uint8_t table[3 * RJ_RUN_BYTES];
	char place[64];

	for (unsigned i = 0; i < 3; i++)
		for (unsigned byte = 0; byte < RJ_RUN_BYTES; byte++)
			table[i * RJ_RUN_BYTES + byte] =
				(uint8_t)(bad->runs[i] >> 8 * byte);
	begin(s);
	reach(s, STEP_ACTIVE);
	(void)place_in(s, false, place);
	(void)pages(s, &bad->frame, table, payload);
	expect_refused(s, STEP_ACTIVE, bad->code, place);
	move_expect_error(&s->move.target_err, bad->code, bad->part);
	/* The page before it is whole, zero run or not. */
	assert_memory_equal(s->move.target.ram[0].host, page_of_7,
			    RAMJET_PAGE_BYTES);
	done(s);
}

static void bad_frames_on_a_channel_are_refused_and_named(void **state)
{
	for (unsigned i = 0; i < sizeof(bad_frames) / sizeof(bad_frames[0]);
	     i++)
		run_bad_frame(*state, &bad_frames[i]);
}

static void a_table_with_a_wrong_check_word_is_not_acted_on(void **state)
{
	const struct rj_wire_run run = { 0, 1, RJ_RUN_ZERO };
	const struct rj_frame frame = { .type = RJ_FRAME_PAGES,
					.run_count = 1 };
	uint8_t wire[RJ_HEADER_BYTES + RJ_RUN_BYTES];
	struct scene *s = *state;
	char place[64];

	rj_run_encode(&run, wire + RJ_HEADER_BYTES);
	rj_frame_encode(&frame, wire + RJ_HEADER_BYTES, NULL, wire);
	wire[28] ^= 0x10;
	begin(s);
	reach(s, STEP_ACTIVE);
	(void)place_in(s, false, place);
	assert_true(wire_peer_send_bytes(s->peer.data[0], wire, sizeof(wire)));
	expect_refused(s, STEP_ACTIVE, -EBADMSG, place);
	assert_memory_equal(s->move.target.ram[0].host, page_of_7,
			    RAMJET_PAGE_BYTES);
}

static void garbage_on_a_channel_is_named(void **state)
{
	uint8_t garbage[RJ_HEADER_BYTES];
	struct scene *s = *state;
	char place[64];

	memset(garbage, 0x5a, sizeof(garbage));
	begin(s);
	reach(s, STEP_ACTIVE);
	(void)place_in(s, false, place);
	assert_true(wire_peer_send_bytes(s->peer.data[0], garbage,
					 sizeof(garbage)));
	expect_refused(s, STEP_ACTIVE, -EPROTO, place);
}

static void optional_frames_nobody_knows_are_skipped(void **state)
{
	const struct rj_frame frame = {
		.type = 0x7e,
		.flags = RJ_FLAG_OPTIONAL,
		.run_count = 3,
		.payload_bytes = 10000,
	};
	const struct rj_frame control = {
		.type = 0x7d,
		.flags = RJ_FLAG_OPTIONAL,
		.payload_bytes = 1000,
	};
	static const uint8_t table[3 * RJ_RUN_BYTES] = { 1 };
	static const uint8_t payload[10000] = { 2 };
	struct scene *s = *state;
	struct rj_frame read;

	begin(s);
	reach(s, STEP_ACTIVE);
	assert_true(pages(s, &frame, table, payload));
	assert_true(say(s, &control, payload));
	assert_true(one_page(s, 0));
	final_fences(s);
	say_state(s, STATE_BYTES);
	assert_true(say(s, &control, payload));
	assert_true(say_type(s, RJ_FRAME_SWITCHOVER));
	assert_true(wire_peer_await(s->peer.control, RJ_FRAME_READY, &read));
	assert_true(say_type(s, RJ_FRAME_COMMIT));
	await_target(s);
	assert_int_equal(s->move.target_rc, 0);
	expect_memory_clean(s);
}

/* ---- the control link ------------------------------------------------------------------ */

/* clang-format off */
static const struct bad_message {
	enum step from, to;
	struct rj_frame frame;
	int code;
	const char *part;
} bad_messages[] = {
	{ STEP_HELLO, STEP_HELLO, { .type = RJ_FRAME_SWITCHOVER },
	  -EPROTO, "wanted BLOCKS" },
	{ STEP_ACTIVE, STEP_STATE, { .type = RJ_FRAME_COMMIT },
	  -EPROTO, "COMMIT" },
	{ STEP_READY, STEP_READY, { .type = RJ_FRAME_SWITCHOVER },
	  -EPROTO, "SWITCHOVER" },
	{ STEP_ACTIVE, STEP_READY, { .type = RJ_FRAME_ACCEPT },
	  -EPROTO, "ACCEPT" },
	{ STEP_ACTIVE, STEP_READY, { .type = RJ_FRAME_APPLIED },
	  -EPROTO, "APPLIED" },
	{ STEP_ACTIVE, STEP_READY, { .type = RJ_FRAME_RUNNING },
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
	    .payload_bytes = STATE_BYTES + 1 },
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
	static const uint8_t body[2 * STATE_BYTES] = { 1 };
	struct scene *s = *state;

	for (unsigned i = 0; i < sizeof(bad_messages) / sizeof(bad_messages[0]);
	     i++) {
		const struct bad_message *bad = &bad_messages[i];

		for (unsigned step = bad->from; step <= bad->to; step++) {
			char place[64];

			begin(s);
			reach(s, step);
			(void)place_in(s, true, place);
			assert_true(say(s, &bad->frame, body));
			expect_refused(s, step, bad->code, bad->part);
			move_expect_error(&s->move.target_err, bad->code,
					  place);
			done(s);
		}
	}
}

static void both_must_agree_which_round_is_the_last(void **state)
{
	const struct rj_frame frame = { .type = RJ_FRAME_SWITCHOVER,
					.round = 1 };
	struct scene *s = *state;

	begin(s);
	reach(s, STEP_STATE);
	assert_true(say(s, &frame, NULL));
	expect_refused(s, STEP_STATE, -EPROTO, "round 1");
}

static void a_record_that_breaks_off_is_refused(void **state)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_STATE,
		.flags = RJ_FLAG_MORE,
		.aux = RJ_STATE_DEVICE,
		.payload_bytes = 10,
	};
	struct scene *s = *state;

	begin(s);
	reach(s, STEP_ACTIVE);
	assert_true(say(s, &frame, page_of_7));
	assert_true(say_type(s, RJ_FRAME_SWITCHOVER));
	expect_refused(s, STEP_ACTIVE, -EPROTO, "record");
}

static void digests_that_differ_are_refused(void **state)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_DIGESTS,
		.payload_bytes = RJ_DIGEST_BYTES,
	};
	static const uint8_t body[RJ_DIGEST_BYTES] = { 1 };
	struct scene *s = *state;

	begin(s);
	reach(s, STEP_STATE);
	assert_true(say(s, &frame, body));
	assert_true(say_type(s, RJ_FRAME_SWITCHOVER));
	expect_refused(s, STEP_STATE, -EBADMSG, "block ram0 differs");
	assert_int_equal(small_vm_calls(&s->move.target, VM_LOAD), 0);
}

/* ---- ends ------------------------------------------------------------------------------ */

static void expect_unstarted(struct scene *s)
{
	await_target(s);
	assert_true(s->move.target_rc < 0);
	assert_true(s->move.target_err.message[0]);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
	small_vm_expect_last(&s->move.target, RAMJET_STATE_FAILED);
}

static void a_source_that_is_gone_at_any_step(void **state)
{
	struct scene *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++)
		for (unsigned control = 0; control < 2; control++) {
			begin(s);
			reach(s, step);
			if (control)
				wire_peer_close(&s->peer.control);
			else
				wire_peer_done(&s->peer);
			expect_unstarted(s);
			done(s);
		}
}

static void the_sources_reason_is_passed_on(void **state)
{
	struct scene *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		begin(s);
		reach(s, step);
		assert_true(wire_peer_send_failed(s->peer.control, -ENOSPC,
						  "out of luck"));
		wire_peer_cut_data(&s->peer);
		expect_unstarted(s);
		move_expect_error(&s->move.target_err, -ENOSPC, "out of luck");
		done(s);
	}
}

static void a_hanging_source_does_not_keep_a_cancel_waiting(void **state)
{
	struct scene *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		begin(s);
		reach(s, step);
		assert_int_equal(ramjet_cancel(s->move.incoming), 0);
		await_target(s);
		assert_int_equal(s->move.target_rc, -ECANCELED);
		assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
		done(s);
	}
}

#define PEER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(the_whole_course_works),
		PEER_TEST(bad_frames_on_a_channel_are_refused_and_named),
		PEER_TEST(a_table_with_a_wrong_check_word_is_not_acted_on),
		PEER_TEST(garbage_on_a_channel_is_named),
		PEER_TEST(optional_frames_nobody_knows_are_skipped),
		PEER_TEST(bad_messages_are_refused_and_named),
		PEER_TEST(both_must_agree_which_round_is_the_last),
		PEER_TEST(a_record_that_breaks_off_is_refused),
		PEER_TEST(digests_that_differ_are_refused),
		PEER_TEST(a_source_that_is_gone_at_any_step),
		PEER_TEST(the_sources_reason_is_passed_on),
		PEER_TEST(a_hanging_source_does_not_keep_a_cancel_waiting),
	};

	return cmocka_run_group_tests_name("peer source", tests, NULL, NULL);
}
