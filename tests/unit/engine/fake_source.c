/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/fake_source.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint8_t fake_source_page[RAMJET_PAGE_BYTES];

int fake_source_setup(void **state)
{
	struct fake_source *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	memset(fake_source_page, 7, sizeof(fake_source_page));
	wire_peer_init(&s->peer);
	*state = s;
	return 0;
}

void fake_source_done(struct fake_source *s)
{
	wire_peer_done(&s->peer);
	move_done(&s->move);
	free(s->before);
	s->before = NULL;
}

int fake_source_teardown(void **state)
{
	fake_source_done(*state);
	free(*state);
	return 0;
}

/* ---- behaving -------------------------------------------------------------------- */

bool fake_source_say(struct fake_source *s, const struct rj_frame *frame,
		     const void *payload)
{
	s->control_bytes += wire_peer_frame_bytes(frame);
	return wire_peer_send(s->peer.control, frame, NULL, payload);
}

bool fake_source_say_type(struct fake_source *s, enum rj_frame_type type)
{
	const struct rj_frame frame = { .type = (uint8_t)type };

	return fake_source_say(s, &frame, NULL);
}

bool fake_source_pages(struct fake_source *s, const struct rj_frame *frame,
		       const uint8_t *table, const void *payload)
{
	s->data_bytes += wire_peer_frame_bytes(frame);
	return wire_peer_send(s->peer.data[0], frame, table, payload);
}

/* One raw page, in round 0. */
bool fake_source_one_page(struct fake_source *s, uint64_t page)
{
	const struct rj_wire_run run = { page, 1, RJ_RUN_RAW };
	const struct rj_frame frame = {
		.type = RJ_FRAME_PAGES,
		.run_count = 1,
		.payload_bytes = RAMJET_PAGE_BYTES,
	};
	uint8_t table[RJ_RUN_BYTES];

	rj_run_encode(&run, table);
	return fake_source_pages(s, &frame, table, fake_source_page);
}

static void say_blocks(struct fake_source *s)
{
	const struct rj_wire_block block = {
		.name = "ram0",
		.bytes = FAKE_SOURCE_PAGES * RAMJET_PAGE_BYTES,
		.page_bytes = RAMJET_PAGE_BYTES,
	};
	struct rj_frame frame = { .type = RJ_FRAME_BLOCKS };
	uint8_t body[128];

	frame.payload_bytes = (uint32_t)rj_blocks_encode(&block, 1, body);
	assert_true(fake_source_say(s, &frame, body));
}

static struct rj_hello hello_of(uint8_t role, unsigned channel)
{
	return (struct rj_hello){
		.version_min = RJ_WIRE_VERSION,
		.version_max = RJ_WIRE_VERSION,
		.role = role,
		.channel_index = (uint16_t)channel,
		.channel_count = WIRE_PEER_CHANNELS,
		.session = FAKE_SOURCE_SESSION,
	};
}

static int connect_to(struct fake_source *s)
{
	return s->connect ? s->connect(s) : wire_peer_connect(s->move.folder);
}

void fake_source_connect_channels(struct fake_source *s, unsigned from,
				  unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		const struct rj_hello hello = hello_of(RJ_ROLE_DATA, i);

		s->peer.data[i] = connect_to(s);
		assert_true(wire_peer_send_hello(s->peer.data[i], &hello));
	}
}

void fake_source_connect(struct fake_source *s, unsigned channels)
{
	const struct rj_hello hello = hello_of(RJ_ROLE_CONTROL, 0);
	struct rj_frame frame;

	s->peer.control = connect_to(s);
	assert_true(wire_peer_send_hello(s->peer.control, &hello));
	assert_true(wire_peer_read(s->peer.control, &frame, NULL, 0));
	assert_int_equal(frame.type, RJ_FRAME_HELLO);
	s->control_bytes = s->data_bytes = RJ_HEADER_BYTES + RJ_HELLO_BYTES;
	if (!channels)
		return;
	say_blocks(s);
	assert_true(wire_peer_read(s->peer.control, &frame, NULL, 0));
	assert_int_equal(frame.type, RJ_FRAME_ACCEPT);
	fake_source_connect_channels(s, 0, channels);
}

void fake_source_final_fences(struct fake_source *s)
{
	for (unsigned i = 0; i < WIRE_PEER_CHANNELS; i++)
		assert_true(wire_peer_send_round(
			s->peer.data[i], RJ_FRAME_FENCE, 0, RJ_FLAG_FINAL));
	s->data_bytes += RJ_HEADER_BYTES;
}

void fake_source_say_state(struct fake_source *s, uint32_t bytes)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_STATE,
		.aux = RJ_STATE_DEVICE,
		.payload_bytes = bytes,
	};
	uint8_t body[2 * FAKE_SOURCE_STATE_BYTES];

	/* As small_vm.c wants it. */
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 31 + (i >> 10));
	assert_true(fake_source_say(s, &frame, body));
}

void fake_source_prepare(struct fake_source *s)
{
	const struct small_vm_options is = {
		.bytes = { FAKE_SOURCE_PAGES * RAMJET_PAGE_BYTES },
		.state_bytes = FAKE_SOURCE_STATE_BYTES,
	};

	move_init(&s->move, &is);
	wire_peer_init(&s->peer);
	small_vm_power_off(&s->move.source);
	s->before = malloc(s->move.target.ram[0].bytes);
	assert_non_null(s->before);
	memcpy(s->before, s->move.target.ram[0].host,
	       s->move.target.ram[0].bytes);
	s->move.target_params.state_bytes_max = FAKE_SOURCE_STATE_BYTES;
}

void fake_source_begin(struct fake_source *s)
{
	fake_source_prepare(s);
	move_listen(&s->move);
}

void fake_source_reach(struct fake_source *s, enum step step)
{
	fake_source_connect(s, step >= STEP_ACTIVE ? WIRE_PEER_CHANNELS : 0);
	fake_source_go_on(s, step);
}

void fake_source_go_on(struct fake_source *s, enum step step)
{
	struct rj_frame frame;

	if (step >= STEP_ACTIVE)
		assert_true(fake_source_one_page(s, 0));
	if (step >= STEP_STATE) {
		fake_source_final_fences(s);
		assert_true(wire_peer_await(s->peer.control, RJ_FRAME_APPLIED,
					    &frame));
		fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	}
	if (step >= STEP_READY) {
		assert_true(fake_source_say_type(s, RJ_FRAME_SWITCHOVER));
		assert_true(wire_peer_await(s->peer.control, RJ_FRAME_READY,
					    &frame));
	}
}

/* ---- what must come of it ---------------------------------------------------------- */

void fake_source_await_target(struct fake_source *s)
{
	struct move *move = &s->move;

	move->target_rc = ramjet_wait(move->incoming, 60000, &move->target_err);
	if (!ramjet_state_is_final(ramjet_migration_state(move->incoming)))
		fail_msg("the target hangs: %s", move->target_err.message);
}

void fake_source_expect_clean(const struct fake_source *s)
{
	const struct guarded *ram = &s->move.target.ram[0];

	assert_true(guarded_is_intact(ram));
	for (size_t i = RAMJET_PAGE_BYTES; i < ram->bytes; i++)
		if (ram->host[i] && ram->host[i] != s->before[i])
			fail_msg("byte %zu was written", i);
}

/* Refused, with this code and these words, and the source is told the same. */
void fake_source_expect_refused(struct fake_source *s, enum step step, int code,
				const char *part)
{
	struct ramjet_error theirs;

	fake_source_await_target(s);
	move_expect_error(&s->move.target_err, code, part);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
	small_vm_expect_last(&s->move.target, RAMJET_STATE_FAILED);
	if (step >= STEP_ACTIVE)
		fake_source_expect_clean(s);
	wire_peer_hear_end(s->peer.control, &theirs);
	assert_int_equal(theirs.code, code);
	assert_string_equal(theirs.message, s->move.target_err.message);
}

const char *fake_source_place(const struct fake_source *s, bool control,
			      char text[64])
{
	(void)snprintf(text, 64, "%s, offset %llu",
		       control ? "control link" : "channel 0",
		       (unsigned long long)(control ? s->control_bytes
						    : s->data_bytes));
	return text;
}
