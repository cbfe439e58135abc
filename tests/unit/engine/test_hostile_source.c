/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A source that says anything at any time: each frame there is, and some there are not,
 * where it has no place; and each field of each frame at and beyond its limits. The
 * target ends with a reason that names the frame, writes nothing, never starts its guest.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/engine/fake_source.h"
#include "tests/unit/engine/hostile.h"

/* ---- order ---------------------------------------------------------------- */

/* When it may be said on the control link, one letter a step: x is legal (and other
 * tests' business). All types that are not here never are. */
static const struct {
	uint8_t type;
	const char *when;
} places[] = {
	{ RJ_FRAME_OFFER, "x..." },   { RJ_FRAME_KEEPS, "x..." },
	{ RJ_FRAME_GUEST, "x..." },   { RJ_FRAME_BLOCKS, "x..." },
	{ RJ_FRAME_FAILED, "xxxx" },  { RJ_FRAME_CANCEL, "xxxx" },
	{ RJ_FRAME_PING, ".xxx" },    { RJ_FRAME_STATE, ".x.." },
	{ RJ_FRAME_DIGESTS, ".xx." }, { RJ_FRAME_SWITCHOVER, ".xx." },
	{ RJ_FRAME_COMMIT, "...x" },
};

/* One of each gap between types that there are. */
static const uint8_t no_types[] = { 0x00, 0x0b, 0x0f, 0x11, 0x18, 0x22,
				    0x35, 0x40, 0x7f, 0x80, 0xff };

static bool has_a_place(uint8_t type, unsigned step)
{
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(places); i++)
		if (places[i].type == type)
			return places[i].when[step] == 'x';
	return false;
}

static void expect_named(const struct ramjet_error *err, uint8_t type,
			 unsigned step)
{
	if (!hostile_is_out_of_turn(err, type))
		fail_msg("step %u, type 0x%02x: %d, %s", step, type, err->code,
			 err->message);
}

static void say_out_of_turn(struct fake_source *s, uint8_t type, unsigned step,
			    bool control)
{
	uint8_t wire[HOSTILE_BYTES_MAX];
	const size_t bytes = hostile_build(type, wire);
	char place[64];

	fake_source_begin(s);
	fake_source_reach(s, step);
	assert_true(wire_peer_send_bytes(
		control ? s->peer.control : s->peer.data[0], wire, bytes));
	fake_source_expect_refused(s, step, -EPROTO,
				   fake_source_place(s, control, place));
	expect_named(&s->move.target_err, type, step);
	fake_source_done(s);
}

static void no_frame_is_taken_where_it_has_no_place(void **state)
{
	struct fake_source *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++)
		for (unsigned i = 0; i < hostile_frame_count; i++)
			if (!has_a_place(hostile_frames[i].type, step))
				say_out_of_turn(s, hostile_frames[i].type, step,
						true);
}

static void what_is_no_frame_is_never_taken(void **state)
{
	struct fake_source *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++)
		for (unsigned i = 0; i < RJ_ARRAY_SIZE(no_types); i++)
			say_out_of_turn(s, no_types[i], step, true);
}

static void channels_carry_pages_and_fences_alone(void **state)
{
	struct fake_source *s = *state;

	for (unsigned i = 0; i < hostile_frame_count; i++)
		if (hostile_frames[i].type != RJ_FRAME_PAGES &&
		    hostile_frames[i].type != RJ_FRAME_FENCE)
			say_out_of_turn(s, hostile_frames[i].type, STEP_ACTIVE,
					false);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(no_types); i++)
		say_out_of_turn(s, no_types[i], STEP_ACTIVE, false);
}

/* ---- fields ----------------------------------------------------------------- */

#define BODY               RJ_HEADER_BYTES
#define PAYLOAD            (RJ_HEADER_BYTES + RJ_RUN_BYTES)
#define ANY(bytes)         (bytes), 0, UINT64_MAX >> (64 - 8 * (bytes))
#define ONLY(bytes, value) (bytes), (value), (value)

/* A frame with a place at each of these steps. */
static const struct {
	uint8_t type;
	enum step step;
	bool on_channel;
} sent[] = {
	{ RJ_FRAME_OFFER, STEP_HELLO, false },
	{ RJ_FRAME_KEEPS, STEP_HELLO, false },
	{ RJ_FRAME_BLOCKS, STEP_HELLO, false },
	{ RJ_FRAME_FAILED, STEP_HELLO, false },
	{ RJ_FRAME_FAILED, STEP_READY, false },
	{ RJ_FRAME_CANCEL, STEP_ACTIVE, false },
	{ RJ_FRAME_PING, STEP_ACTIVE, false },
	{ RJ_FRAME_STATE, STEP_ACTIVE, false },
	{ RJ_FRAME_DIGESTS, STEP_ACTIVE, false },
	{ RJ_FRAME_SWITCHOVER, STEP_ACTIVE, false },
	{ RJ_FRAME_COMMIT, STEP_READY, false },
	{ RJ_FRAME_PAGES, STEP_ACTIVE, true },
	{ RJ_FRAME_FENCE, STEP_ACTIVE, true },
};

static const struct hostile_field fields[] = {
	/* Bits of raw and zero runs, and beyond the kinds that there may be. */
	{ RJ_FRAME_OFFER, "kinds", BODY, 1, 0, 0xfc },
	{ RJ_FRAME_OFFER, "kinds", BODY + 1, ANY(1) },
	{ RJ_FRAME_OFFER, "kinds", BODY + 2, ONLY(2, 0) },
	{ RJ_FRAME_OFFER, "reserved", BODY + 4, ONLY(8, 0) },
	{ RJ_FRAME_KEEPS, "reconnect_ms", BODY, ANY(4) },
	{ RJ_FRAME_KEEPS, "features", BODY + 4, ANY(4) },
	{ RJ_FRAME_KEEPS, "reserved", BODY + 8, ONLY(8, 0) },
	{ RJ_FRAME_BLOCKS, "count", BODY, ONLY(4, 1) },
	{ RJ_FRAME_BLOCKS, "reserved", BODY + 4, ONLY(4, 0) },
	{ RJ_FRAME_BLOCKS, "bytes", BODY + 8,
	  ONLY(8, FAKE_SOURCE_PAGES *RAMJET_PAGE_BYTES) },
	{ RJ_FRAME_BLOCKS, "kind", BODY + 20, ONLY(4, 0) },
	{ RJ_FRAME_BLOCKS, "name_length", BODY + 24, ONLY(2, 4) },
	{ RJ_FRAME_BLOCKS, "reserved", BODY + 26, ONLY(4, 0) },
	{ RJ_FRAME_BLOCKS, "reserved", BODY + 30, ONLY(2, 0) },
	{ RJ_FRAME_BLOCKS, "name", BODY + 32, ONLY(1, 'r') },
	{ RJ_FRAME_FAILED, "code", BODY, 4, 1, 4095 },
	{ RJ_FRAME_FAILED, "reserved", BODY + 4, ONLY(4, 0) },
	{ RJ_FRAME_PING, "token", BODY, ANY(8) },
	{ RJ_FRAME_COMMIT, "token", BODY, ANY(8) },
	/* A run: its page, its count, and its kind, as they lie in whole bytes. */
	{ RJ_FRAME_PAGES, "page", BODY, 5, 0, FAKE_SOURCE_PAGES - 1 },
	{ RJ_FRAME_PAGES, "count", BODY + 5, ONLY(2, 1) },
	{ RJ_FRAME_PAGES, "kind", BODY + 7, ONLY(1, 0) },
};

static bool is_refusal(const struct ramjet_error *err)
{
	const int code = err->code;

	if (hostile_is_garbage(err))
		return false;
	return code == -EPROTO || code == -EINVAL || code == -EBADMSG ||
	       code == -EMSGSIZE || code == -EOPNOTSUPP ||
	       code == -EPROTONOSUPPORT;
}

/* Behind it comes garbage, and the end: so what is taken ends with that. */
static void try_value(struct fake_source *s, unsigned which,
		      const struct hostile_field *field, uint64_t value)
{
	const bool legal = value >= field->min && value <= field->max;
	uint8_t wire[HOSTILE_BYTES_MAX];
	const size_t bytes = hostile_build(field->type, wire);
	const struct guarded *ram = &s->move.target.ram[0];
	const struct ramjet_error *err = &s->move.target_err;
	int fd;

	hostile_set(wire, bytes, field, value);
	fake_source_begin(s);
	fake_source_reach(s, sent[which].step);
	fd = sent[which].on_channel ? s->peer.data[0] : s->peer.control;
	(void)wire_peer_send_bytes(fd, wire, bytes);
	(void)wire_peer_send_bytes(fd, hostile_garbage,
				   sizeof(hostile_garbage));
	(void)shutdown(fd, SHUT_WR);
	/* Behind a good fence nothing is read before the other channels'. */
	if (legal && field->type == RJ_FRAME_FENCE)
		(void)shutdown(s->peer.control, SHUT_WR);
	fake_source_await_target(s);
	if (is_refusal(err) == legal)
		fail_msg("%s, %s = %#llx: %d, %s",
			 rj_frame_type_name(field->type), field->name,
			 (unsigned long long)value, err->code, err->message);
	assert_true(guarded_is_intact(ram));
	if (field->type != RJ_FRAME_COMMIT || !legal)
		assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
	fake_source_done(s);
}

static void try_field(struct fake_source *s, unsigned which,
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

static void each_flag_has_its_frames(void **state)
{
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(sent); i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			const struct hostile_frame *frame =
				hostile_find(sent[i].type);
			const uint8_t flag = (uint8_t)(1u << bit);
			const bool legal =
				flag & (frame->flags | RJ_FLAG_OPTIONAL);
			/* Legal: that value and no other. */
			const struct hostile_field field = {
				sent[i].type,     "flags",         5, 1,
				legal ? flag : 0, legal ? flag : 0
			};

			try_value(*state, i, &field, flag);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_SOURCE_TEST(no_frame_is_taken_where_it_has_no_place),
		FAKE_SOURCE_TEST(what_is_no_frame_is_never_taken),
		FAKE_SOURCE_TEST(channels_carry_pages_and_fences_alone),
		FAKE_SOURCE_TEST(each_field_of_a_header_has_its_limits),
		FAKE_SOURCE_TEST(each_field_of_a_body_has_its_limits),
		FAKE_SOURCE_TEST(each_flag_has_its_frames),
	};

	return cmocka_run_group_tests_name("hostile source", tests, NULL, NULL);
}
