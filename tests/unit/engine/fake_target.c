/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/fake_target.h"

#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

int fake_target_setup(void **state)
{
	struct fake_target *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	wire_peer_init(&s->peer);
	*state = s;
	return 0;
}

void fake_target_done(struct fake_target *s)
{
	wire_peer_done(&s->peer);
	move_done(&s->move);
}

int fake_target_teardown(void **state)
{
	fake_target_done(*state);
	free(*state);
	return 0;
}

void fake_target_begin(struct fake_target *s)
{
	const struct small_vm_options is = {
		.bytes = { 8 * RAMJET_PAGE_BYTES },
		.state_bytes = 100,
		.dirty = VM_DIRTY_SCRIPT,
	};

	move_init(&s->move, &is);
	wire_peer_init(&s->peer);
	s->move.source_params.hold = true;
	s->move.source_params.channels = WIRE_PEER_CHANNELS;
	wire_peer_listen(&s->peer, s->move.folder);
}

static void reach_hello(struct fake_target *s)
{
	struct rj_frame frame;

	assert_true(wire_peer_send_hello(s->peer.control, &s->peer.hello));
	assert_true(wire_peer_read(s->peer.control, &frame, NULL, 0));
	/* One that knows nothing of it skips what is offered. */
	while (frame.type == RJ_FRAME_OFFER || frame.type == RJ_FRAME_KEEPS)
		assert_true(wire_peer_read(s->peer.control, &frame, NULL, 0));
	assert_int_equal(frame.type, RJ_FRAME_BLOCKS);
}

void fake_target_take_channels(struct wire_peer *peer)
{
	struct rj_hello hello;
	struct rj_frame frame;
	uint8_t body[RJ_HELLO_BYTES];

	for (unsigned i = 0; i < WIRE_PEER_CHANNELS; i++) {
		const int fd = wire_peer_accept(peer);

		assert_true(wire_peer_read(fd, &frame, body, sizeof(body)));
		assert_int_equal(rj_hello_decode(body, frame.payload_bytes,
						 &hello, NULL),
				 0);
		assert_int_equal(hello.role, RJ_ROLE_DATA);
		assert_int_equal(hello.channel_count, WIRE_PEER_CHANNELS);
		assert_memory_equal(hello.session, peer->hello.session,
				    RJ_SESSION_BYTES);
		peer->data[hello.channel_index] = fd;
	}
}

static void reach_active(struct fake_target *s)
{
	assert_true(wire_peer_send_accept(s->peer.control, WIRE_PEER_CHANNELS));
	fake_target_take_channels(&s->peer);
	wire_peer_take_pages(&s->peer);
	small_vm_await_state(&s->move.source, RAMJET_STATE_HELD);
}

void fake_target_reach(struct fake_target *s, enum step step)
{
	struct wire_peer *peer = &s->peer;
	uint8_t body[RJ_HELLO_BYTES];
	struct rj_frame frame;

	move_send(&s->move);
	peer->control = wire_peer_accept(peer);
	assert_true(wire_peer_read(peer->control, &frame, body, sizeof(body)));
	assert_int_equal(
		rj_hello_decode(body, frame.payload_bytes, &peer->hello, NULL),
		0);
	assert_int_equal(peer->hello.role, RJ_ROLE_CONTROL);
	if (step >= STEP_HELLO)
		reach_hello(s);
	if (step >= STEP_ACTIVE)
		reach_active(s);
	if (step >= STEP_SWITCHOVER) {
		assert_int_equal(ramjet_switchover(s->move.outgoing), 0);
		assert_true(wire_peer_await(peer->control, RJ_FRAME_SWITCHOVER,
					    &frame));
	}
	if (step >= STEP_APPLIED)
		wire_peer_report_final(peer);
	if (step >= STEP_READY) {
		assert_true(wire_peer_send_ready(peer->control, 1));
		do
			assert_true(wire_peer_read(peer->control, &frame,
						   s->token, sizeof(s->token)));
		while (frame.type != RJ_FRAME_COMMIT);
	}
}

void fake_target_await_source(struct fake_target *s)
{
	struct move *move = &s->move;

	move->source_rc = ramjet_wait(move->outgoing, 60000, &move->source_err);
	if (!ramjet_state_is_final(ramjet_migration_state(move->outgoing)))
		fail_msg("the source hangs: %s", move->source_err.message);
}

void fake_target_expect_source_runs(struct fake_target *s)
{
	struct small_vm *vm = &s->move.source;

	fake_target_await_source(s);
	assert_true(s->move.source_rc < 0);
	assert_true(atomic_load(&vm->running));
	assert_int_equal(small_vm_calls(vm, VM_STOP),
			 small_vm_calls(vm, VM_START));
}

void fake_target_expect_handed_over(struct fake_target *s)
{
	struct small_vm *vm = &s->move.source;

	fake_target_await_source(s);
	assert_true(s->move.source_rc < 0);
	assert_non_null(strstr(s->move.source_err.message, "unconfirmed"));
	assert_false(atomic_load(&vm->running));
	assert_int_equal(small_vm_calls(vm, VM_STOP), 1);
	assert_int_equal(small_vm_calls(vm, VM_START), 0);
	small_vm_expect_states(vm, "setup active held switchover committed "
				   "unconfirmed");
}

void fake_target_expect_end(struct fake_target *s, enum step step)
{
	if (step >= STEP_READY) {
		fake_target_expect_handed_over(s);
		return;
	}
	fake_target_expect_source_runs(s);
	small_vm_expect_last(&s->move.source, RAMJET_STATE_FAILED);
}
