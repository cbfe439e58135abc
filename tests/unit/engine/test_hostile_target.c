/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A target that says anything at any time: each frame there is, and some there are not,
 * where it has no place; and each field of each of its answers at and beyond its limits.
 * The source ends with a reason that names the frame, and its guest runs on, unless
 * COMMIT has left.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/wire/bytes.h"
#include "tests/unit/engine/fake_target.h"
#include "tests/unit/engine/hostile.h"

/* ---- order ---------------------------------------------------------------- */

/* When it may be said, one letter a step: x is legal, ? depends on what it says (both are
 * other tests' business). All types that are not here never are. */
static const struct {
	uint8_t type;
	const char *when;
} places[] = {
	{ RJ_FRAME_HELLO, "x....." },   { RJ_FRAME_TAKES, ".?...." },
	{ RJ_FRAME_KEEPS, ".?...." },   { RJ_FRAME_ACCEPT, ".x...." },
	{ RJ_FRAME_FAILED, "xxxxxx" },  { RJ_FRAME_CANCEL, ".xxxxx" },
	{ RJ_FRAME_PING, "..xxx?" },    { RJ_FRAME_PONG, "..????" },
	{ RJ_FRAME_APPLIED, "..???." }, { RJ_FRAME_READY, "...xx." },
	{ RJ_FRAME_RUNNING, ".....x" },
};

static const uint8_t no_types[] = { 0x00, 0x0b, 0x11, 0x18,
				    0x22, 0x40, 0x7f, 0xff };

static bool has_a_place(uint8_t type, unsigned step)
{
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(places); i++)
		if (places[i].type == type)
			return places[i].when[step] != '.';
	return false;
}

static void say_out_of_turn(struct fake_target *s, uint8_t type, unsigned step)
{
	const struct ramjet_error *err = &s->move.source_err;
	uint8_t wire[HOSTILE_BYTES_MAX];
	const size_t bytes = hostile_build(type, wire);

	fake_target_begin(s);
	fake_target_reach(s, step);
	assert_true(wire_peer_send_bytes(s->peer.control, wire, bytes));
	fake_target_expect_end(s, step);
	if (!hostile_is_out_of_turn(err, type))
		fail_msg("step %u, type 0x%02x: %d, %s", step, type, err->code,
			 err->message);
	fake_target_done(s);
}

static void no_frame_is_taken_where_it_has_no_place(void **state)
{
	for (unsigned step = 0; step < STEP_COUNT_; step++)
		for (unsigned i = 0; i < hostile_frame_count; i++)
			if (!has_a_place(hostile_frames[i].type, step))
				say_out_of_turn(*state, hostile_frames[i].type,
						step);
}

static void what_is_no_frame_is_never_taken(void **state)
{
	for (unsigned step = 0; step < STEP_COUNT_; step++)
		for (unsigned i = 0; i < RJ_ARRAY_SIZE(no_types); i++)
			say_out_of_turn(*state, no_types[i], step);
}

/* ---- fields ----------------------------------------------------------------- */

#define BODY               RJ_HEADER_BYTES
#define ANY(bytes)         (bytes), 0, UINT64_MAX >> (64 - 8 * (bytes))
#define ONLY(bytes, value) (bytes), (value), (value)

static const struct {
	uint8_t type;
	enum step step;
} sent[] = {
	{ RJ_FRAME_HELLO, STEP_CONNECTED }, { RJ_FRAME_FAILED, STEP_CONNECTED },
	{ RJ_FRAME_ACCEPT, STEP_HELLO },    { RJ_FRAME_PING, STEP_ACTIVE },
	{ RJ_FRAME_CANCEL, STEP_ACTIVE },   { RJ_FRAME_FAILED, STEP_APPLIED },
	{ RJ_FRAME_READY, STEP_APPLIED },   { RJ_FRAME_RUNNING, STEP_READY },
};

static const struct hostile_field fields[] = {
	{ RJ_FRAME_HELLO, "version_min", BODY, ONLY(2, 2) },
	{ RJ_FRAME_HELLO, "version_max", BODY + 2, ONLY(2, 2) },
	{ RJ_FRAME_HELLO, "role", BODY + 4, ONLY(1, RJ_ROLE_CONTROL) },
	{ RJ_FRAME_HELLO, "reserved", BODY + 5, ONLY(3, 0) },
	{ RJ_FRAME_HELLO, "channel_index", BODY + 8, ONLY(2, 0) },
	{ RJ_FRAME_HELLO, "channel_count", BODY + 10,
	  ONLY(2, WIRE_PEER_CHANNELS) },
	{ RJ_FRAME_HELLO, "page_bytes", BODY + 12, ONLY(4, RAMJET_PAGE_BYTES) },
	{ RJ_FRAME_HELLO, "reserved", BODY + 36, ONLY(4, 0) },
	{ RJ_FRAME_ACCEPT, "channel_count", BODY, 2, 1, WIRE_PEER_CHANNELS },
	{ RJ_FRAME_ACCEPT, "reserved", BODY + 2, ONLY(6, 0) },
	{ RJ_FRAME_ACCEPT, "reserved", BODY + 8, ONLY(8, 0) },
	{ RJ_FRAME_FAILED, "code", BODY, 4, 1, 4095 },
	{ RJ_FRAME_FAILED, "reserved", BODY + 4, ONLY(4, 0) },
	{ RJ_FRAME_PING, "token", BODY, ANY(8) },
	/* Of verified_blocks: test_peer_target_talk.c. */
	{ RJ_FRAME_READY, "reserved", BODY + 4, ONLY(4, 0) },
	{ RJ_FRAME_READY, "apply_us", BODY + 8, ANY(8) },
	{ RJ_FRAME_READY, "digests_us", BODY + 16, ANY(8) },
	{ RJ_FRAME_READY, "load_us", BODY + 24, ANY(8) },
	{ RJ_FRAME_READY, "helpers_us", BODY + 32, ANY(8) },
	{ RJ_FRAME_READY, "reserved", BODY + 40, ONLY(8, 0) },
	{ RJ_FRAME_RUNNING, "start_us", BODY, ANY(8) },
};

static bool is_refusal(const struct ramjet_error *err)
{
	const int code = err->code;

	if (hostile_is_garbage(err))
		return false;
	return code == -EPROTO || code == -EPROTONOSUPPORT || code == -EBADMSG;
}

/* As this session has it, where it is about a session. */
static size_t build(const struct fake_target *s, uint8_t type,
		    uint8_t wire[HOSTILE_BYTES_MAX])
{
	const size_t bytes = hostile_build(type, wire);

	if (type == RJ_FRAME_HELLO)
		rj_hello_encode(&s->peer.hello, wire + BODY);
	if (type == RJ_FRAME_RUNNING)
		memcpy(wire + BODY + 8, s->token, sizeof(s->token));
	return bytes;
}

/* What came of it: refused, and the guest runs (or is handed over, if COMMIT has left); or
 * taken, and what ended it is what came behind it. After a good RUNNING nothing did. */
static void expect(struct fake_target *s, enum step step,
		   const struct hostile_field *field, uint64_t value)
{
	const bool legal = value >= field->min && value <= field->max;
	const struct ramjet_error *err = &s->move.source_err;

	fake_target_await_source(s);
	if (is_refusal(err) == legal)
		fail_msg("%s, %s = %#llx: %d, %s",
			 rj_frame_type_name(field->type), field->name,
			 (unsigned long long)value, err->code, err->message);
	if (!is_refusal(err) && field->type >= RJ_FRAME_READY)
		return;
	if (step < STEP_READY)
		fake_target_expect_source_runs(s);
	else
		fake_target_expect_handed_over(s);
}

static void try_value(struct fake_target *s, unsigned which,
		      const struct hostile_field *field, uint64_t value)
{
	uint8_t wire[HOSTILE_BYTES_MAX];
	size_t bytes;

	fake_target_begin(s);
	fake_target_reach(s, sent[which].step);
	bytes = build(s, field->type, wire);
	hostile_set(wire, bytes, field, value);
	(void)wire_peer_send_bytes(s->peer.control, wire, bytes);
	(void)wire_peer_send_bytes(s->peer.control, hostile_garbage,
				   sizeof(hostile_garbage));
	(void)shutdown(s->peer.control, SHUT_WR);
	expect(s, sent[which].step, field, value);
	fake_target_done(s);
}

static void try_field(struct fake_target *s, unsigned which,
		      const struct hostile_field *field)
{
	uint64_t values[HOSTILE_VALUES];
	const unsigned count = hostile_values(field, values);

	for (unsigned i = 0; i < count; i++)
		try_value(s, which, field, values[i]);
}

static void each_field_of_a_header_has_its_limits(void **state)
{
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(sent); i++) {
		struct hostile_field header[HOSTILE_HEADER_FIELDS];

		hostile_header_fields(sent[i].type, header);
		for (unsigned j = 0; header[j].name; j++)
			try_field(*state, i, &header[j]);
	}
}

static void each_field_of_a_body_has_its_limits(void **state)
{
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(fields); i++)
		for (unsigned j = 0; j < RJ_ARRAY_SIZE(sent); j++)
			if (sent[j].type == fields[i].type) {
				try_field(*state, j, &fields[i]);
				break;
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(no_frame_is_taken_where_it_has_no_place),
		PEER_TEST(what_is_no_frame_is_never_taken),
		PEER_TEST(each_field_of_a_header_has_its_limits),
		PEER_TEST(each_field_of_a_body_has_its_limits),
	};

	return cmocka_run_group_tests_name("hostile target", tests, NULL, NULL);
}
