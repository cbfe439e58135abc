/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "tests/unit/engine/busy_vmm.h"

#include <semaphore.h>

#include "engine/link/heartbeat.h"
#include "engine/wire/bytes.h"
#include "tests/unit/engine/wire_peer.h"

/* In place of the library's: seconds would be too long for a test. */
const struct rj_heartbeat_limits rj_heartbeat_limits = {
	.quiet_ns = UINT64_C(50000000),
	.dead_ns = UINT64_C(150000000),
};

static enum vm_call busy_in;
static sem_t busy, done;

/* On the control thread. */
static void be_busy(struct small_vm *vm RJ_UNUSED, enum vm_call call)
{
	if (call != busy_in)
		return;
	assert_int_equal(sem_post(&busy), 0);
	while (sem_wait(&done))
		continue;
}

void busy_vmm_begin(struct small_vm *vm, enum vm_call call)
{
	busy_in = call;
	(void)sem_init(&busy, 0, 0);
	(void)sem_init(&done, 0, 0);
	vm->on_call = be_busy;
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

void busy_vmm_ask(int fd)
{
	while (sem_wait(&busy))
		continue;
	for (uint64_t token = 1; token <= 3; token++)
		await_pong(fd, token);
	assert_int_equal(sem_post(&done), 0);
}
