/* SPDX-License-Identifier: BSD-3-Clause */
/* A target whose connections are held open by somebody else, or that is asked
 * while the source is busy. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <semaphore.h>
#include <string.h>

#include "engine/bytes.h"
#include "engine/heartbeat.h"
#include "tests/unit/engine/fake_target.h"

/* In place of the library's: seconds would be too long for a test. */
const struct rj_heartbeat_limits rj_heartbeat_limits = {
	.quiet_ns = UINT64_C(50000000),
	.dead_ns = UINT64_C(150000000),
};

/* It takes what little a guest on hold writes, and says nothing any more. */
static void a_silent_target_is_given_up(void **state)
{
	struct fake_target *s = *state;

	fake_target_begin(s);
	s->move.source_params.reply_timeout_ms = 0;
	s->move.source_params.stall_timeout_ms = 0;
	fake_target_reach(s, STEP_HELLO);
	assert_true(wire_peer_send_accept(s->peer.control, WIRE_PEER_CHANNELS));
	fake_target_take_channels(&s->peer);
	fake_target_expect_source_runs(s);
	move_expect_error(&s->move.source_err, -ETIMEDOUT,
			  "the target has said nothing");
}

static void await_pong(int fd, uint64_t token)
{
	uint8_t body[RJ_PING_BYTES] = { 0 };
	struct rj_frame frame;

	assert_true(wire_peer_send_ping(fd, RJ_FRAME_PING, token));
	do
		assert_true(wire_peer_read(fd, &frame, body, sizeof(body)));
	while (frame.type != RJ_FRAME_PONG || rj_get64(body) != token);
}

static sem_t busy, done;

/* On the control thread: busy until the test says otherwise. */
static void be_busy(struct small_vm *vm RJ_UNUSED, enum vm_call call)
{
	if (call != VM_STOP)
		return;
	assert_int_equal(sem_post(&busy), 0);
	while (sem_wait(&done))
		continue;
}

static void ask_while_busy(int fd)
{
	while (sem_wait(&busy))
		continue;
	for (uint64_t token = 1; token <= 3; token++)
		await_pong(fd, token);
	assert_int_equal(sem_post(&done), 0);
}

static void a_source_that_stops_its_guest_answers_all_the_same(void **state)
{
	struct fake_target *s = *state;

	fake_target_begin(s);
	s->move.source.on_call = be_busy;
	fake_target_reach(s, STEP_ACTIVE);
	assert_int_equal(ramjet_switchover(s->move.outgoing), 0);
	ask_while_busy(s->peer.control);
	assert_true(wire_peer_send_failed(s->peer.control, -ENOSPC, "full"));
	fake_target_expect_source_runs(s);
	move_expect_error(&s->move.source_err, -ENOSPC, "full");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(a_silent_target_is_given_up),
		PEER_TEST(a_source_that_stops_its_guest_answers_all_the_same),
	};

	(void)sem_init(&busy, 0, 0);
	(void)sem_init(&done, 0, 0);
	return cmocka_run_group_tests_name("silent target", tests, NULL, NULL);
}
