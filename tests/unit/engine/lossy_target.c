/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/lossy_target.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/page/run_table.h"
#include "engine/wire/bytes.h"
#include "engine/wire/resume.h"
#include "tests/unit/engine/wire_peer.h"

#define PATIENCE_MS 60000
#define FRAME_BYTES (8u << 20)

static uint8_t payload[FRAME_BYTES], table[RJ_TABLE_BYTES_MAX];

int lossy_target_setup(void **state)
{
	struct lossy_target *t = calloc(1, sizeof(*t));

	if (!t)
		return -1;
	t->listener = t->control = -1;
	for (unsigned i = 0; i < LOSSY_LANES; i++)
		t->lanes[i].fd = -1;
	*state = t;
	return 0;
}

int lossy_target_teardown(void **state)
{
	struct lossy_target *t = *state;

	wire_peer_close(&t->control);
	wire_peer_close(&t->listener);
	for (unsigned i = 0; i < LOSSY_LANES; i++)
		wire_peer_close(&t->lanes[i].fd);
	move_done(&t->move);
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++)
		free(t->memory[i]);
	free(t);
	return 0;
}

/* ---- bytes ----------------------------------------------------------------- */

static bool read_whole(int fd, void *into, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		struct pollfd readable = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&readable, 1, PATIENCE_MS) != 1)
			fail_msg("the source says nothing");
		n = recv(fd, (uint8_t *)into + at, bytes - at, 0);
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* False: the end. */
static bool read_frame(int fd, struct rj_frame *frame)
{
	uint8_t header[RJ_HEADER_BYTES];
	struct ramjet_error err = { 0 };

	if (!read_whole(fd, header, sizeof(header)))
		return false;
	if (rj_frame_decode(header, frame, &err))
		fail_msg("the source sends: %s", err.message);
	assert_true(frame->payload_bytes <= FRAME_BYTES);
	return read_whole(fd, table, (size_t)frame->run_count * RJ_RUN_BYTES) &&
	       read_whole(fd, payload, frame->payload_bytes);
}

static void say(struct lossy_target *t, enum rj_frame_type type, uint32_t round,
		const void *body, uint32_t bytes)
{
	const struct rj_frame frame = { .type = (uint8_t)type,
					.round = round,
					.payload_bytes = bytes };

	(void)wire_peer_send(t->control, &frame, NULL, body);
}

/* ---- lanes ----------------------------------------------------------------- */

static void tell(struct lossy_target *t)
{
	struct rj_taken taken[LOSSY_LANES];
	uint8_t body[LOSSY_LANES * RJ_TAKEN_BYTES];

	for (unsigned i = 0; i < LOSSY_LANES; i++)
		taken[i] = (struct rj_taken){
			.epoch = t->lanes[i].epoch,
			.waits = t->lanes[i].at_fence,
			.frames = t->lanes[i].frames,
		};
	rj_taken_encode(taken, LOSSY_LANES, body);
	say(t, RJ_FRAME_TAKEN, 0, body, sizeof(body));
}

static void look_at_fences(struct lossy_target *t)
{
	unsigned present = 0, arrived = 0, finals = 0;
	bool final;

	for (unsigned i = 0; i < LOSSY_LANES; i++) {
		present += t->lanes[i].counts;
		arrived += t->lanes[i].counts && t->lanes[i].at_fence;
		finals += t->lanes[i].counts && t->lanes[i].at_fence &&
			  t->lanes[i].final;
	}
	final = finals && t->applied >= t->void_before;
	if (!present || arrived < present || (final && t->unanswered))
		return;
	if (final)
		assert_int_equal(finals, arrived);
	for (unsigned i = 0; i < LOSSY_LANES; i++)
		t->lanes[i].at_fence = t->lanes[i].final = false;
	say(t, RJ_FRAME_APPLIED, t->applied++, NULL, 0);
	t->over = final;
}

void lossy_target_cut(struct lossy_target *t, unsigned lane)
{
	/* What is unread makes it a reset. */
	wire_peer_close(&t->lanes[lane].fd);
	t->lanes[lane].held = false;
}

void lossy_target_lose(struct lossy_target *t, unsigned index)
{
	struct lossy_lane *lane = &t->lanes[index];
	const struct rj_lost lost = {
		.lane = (uint16_t)index,
		.finished = t->over,
		.epoch = lane->epoch,
		.frames = lane->frames,
	};
	uint8_t body[RJ_LOST_BYTES];

	if (lane->said)
		return;
	lossy_target_cut(t, index);
	t->unanswered += !t->over;
	lane->said = true;
	lane->counts = lane->at_fence = false;
	rj_lost_encode(&lost, body);
	say(t, RJ_FRAME_LOST, 0, body, sizeof(body));
	look_at_fences(t);
}

static void write_pages(struct lossy_target *t, const struct rj_frame *frame)
{
	uint8_t *memory = t->memory[frame->block];
	const uint64_t pages =
		t->move.source.is.bytes[frame->block] / RAMJET_PAGE_BYTES;
	const uint8_t *from = payload;
	struct ramjet_error err = { 0 };
	uint64_t next = 0;

	if (rj_table_check(frame, table, pages, &err))
		fail_msg("%s", err.message);
	for (uint32_t i = 0; i < frame->run_count;) {
		struct rj_wire_run run;
		size_t bytes;

		assert_int_equal(
			rj_run_decode(table, i, pages, &next, &run, &err), 0);
		i += rj_run_entries((enum rj_run_kind)run.kind);
		bytes = (size_t)run.count * RAMJET_PAGE_BYTES;
		if (run.kind == RJ_RUN_ZERO) {
			memset(memory + run.page * RAMJET_PAGE_BYTES, 0, bytes);
			continue;
		}
		assert_int_equal(run.kind, RJ_RUN_RAW);
		memcpy(memory + run.page * RAMJET_PAGE_BYTES, from, bytes);
		from += bytes;
	}
}

static void take_from_lane(struct lossy_target *t, unsigned index)
{
	struct lossy_lane *lane = &t->lanes[index];
	struct rj_frame frame;

	if (!read_frame(lane->fd, &frame)) {
		if (t->over)
			wire_peer_close(&lane->fd);
		else
			lossy_target_lose(t, index);
		return;
	}
	assert_int_equal(frame.round, t->applied);
	if (frame.type == RJ_FRAME_PAGES) {
		write_pages(t, &frame);
		lane->frames++;
	} else {
		assert_int_equal(frame.type, RJ_FRAME_FENCE);
		lane->at_fence = true;
		lane->final = frame.flags & RJ_FLAG_FINAL;
	}
	if (t->on_frame)
		t->on_frame(t, index, &frame);
	look_at_fences(t);
	if (t->tells)
		tell(t);
}

/* ---- the control link ------------------------------------------------------ */

static void take_lost(struct lossy_target *t, const struct rj_frame *frame)
{
	struct rj_lost lost;

	assert_int_equal(rj_lost_decode(payload, frame->payload_bytes,
					LOSSY_LANES, &lost, NULL),
			 0);
	t->losts++;
	assert_true(lost.epoch <= t->lanes[lost.lane].epoch);
	if (lost.epoch == t->lanes[lost.lane].epoch && !t->mute)
		lossy_target_lose(t, lost.lane);
}

static void take_back(struct lossy_target *t, const struct rj_frame *frame)
{
	struct rj_lane_round back;

	assert_int_equal(rj_lane_round_decode(RJ_FRAME_BACK, payload,
					      frame->payload_bytes, LOSSY_LANES,
					      &back, NULL),
			 0);
	assert_true(t->lanes[back.lane].said && t->unanswered);
	assert_int_equal(back.epoch, t->lanes[back.lane].epoch);
	t->backs++;
	t->unanswered--;
	if (back.round > t->void_before)
		t->void_before = back.round;
	t->announced = false;
	/* Of the connection that was lost: it says nothing of the next one. */
	if (t->tells)
		tell(t);
	look_at_fences(t);
}

/* False: it is closed. */
static bool take_control(struct lossy_target *t)
{
	struct rj_frame frame;

	if (!read_frame(t->control, &frame))
		return false;
	switch (frame.type) {
	case RJ_FRAME_LOST:
		take_lost(t, &frame);
		break;
	case RJ_FRAME_BACK:
		take_back(t, &frame);
		break;
	case RJ_FRAME_SWITCHOVER:
		/* Said before the source heard of a loss, it comes to nothing
		 * with BACK. */
		t->announced = true;
		t->switchovers++;
		break;
	case RJ_FRAME_COMMIT:
		assert_true(t->ready);
		t->committed = true;
		(void)wire_peer_send_running(t->control, rj_get64(payload));
		break;
	case RJ_FRAME_PING:
		say(t, RJ_FRAME_PONG, 0, payload, RJ_PING_BYTES);
		break;
	default:
		break;
	}
	if (t->on_frame)
		t->on_frame(t, LOSSY_LANES, &frame);
	return true;
}

static void let_in(struct lossy_target *t)
{
	const int fd = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC);
	struct rj_lane_round joined = { .round = t->applied };
	uint8_t body[RJ_LANE_ROUND_BYTES];
	struct lossy_lane *lane;
	struct rj_hello hello;
	struct rj_frame frame;

	assert_true(read_frame(fd, &frame));
	assert_int_equal(
		rj_hello_decode(payload, frame.payload_bytes, &hello, NULL), 0);
	assert_int_equal(hello.role, RJ_ROLE_DATA);
	assert_memory_equal(hello.session, t->hello.session, RJ_SESSION_BYTES);
	lane = &t->lanes[hello.channel_index];
	if (t->shut || lane->counts || hello.epoch != lane->epoch + 1) {
		(void)wire_peer_send_failed(fd, -EBUSY, "not now");
		(void)close(fd);
		return;
	}
	*lane = (struct lossy_lane){ .fd = fd,
				     .epoch = hello.epoch,
				     .counts = true };
	t->joins++;
	joined.lane = hello.channel_index;
	joined.epoch = hello.epoch;
	rj_lane_round_encode(&joined, body);
	say(t, RJ_FRAME_JOINED, 0, body, sizeof(body));
}

void lossy_target_run(struct lossy_target *t,
		      bool (*done)(struct lossy_target *t))
{
	while (!done(t)) {
		struct pollfd fds[LOSSY_LANES + 2] = {
			[LOSSY_LANES] = { .fd = t->control, .events = POLLIN },
			[LOSSY_LANES + 1] = { .fd = t->listener,
					      .events = POLLIN },
		};

		if (t->announced && t->over && !t->ready) {
			t->ready = true;
			(void)wire_peer_send_ready(t->control, 0);
		}
		for (unsigned i = 0; i < LOSSY_LANES; i++)
			fds[i] = (struct pollfd){
				.fd = t->lanes[i].held || t->lanes[i].at_fence
					      ? -1
					      : t->lanes[i].fd,
				.events = POLLIN,
			};
		if (poll(fds, LOSSY_LANES + 2, PATIENCE_MS) < 1)
			fail_msg("the source does nothing");
		if (fds[LOSSY_LANES].revents) {
			if (!take_control(t))
				return;
			continue;
		}
		if (fds[LOSSY_LANES + 1].revents) {
			let_in(t);
			continue;
		}
		for (unsigned i = 0; i < LOSSY_LANES; i++)
			if (fds[i].revents && !t->lanes[i].held &&
			    t->lanes[i].fd == fds[i].fd)
				take_from_lane(t, i);
	}
}

/* ---- the beginning and the end --------------------------------------------- */

static int accept_one(struct lossy_target *t)
{
	struct pollfd fd = { .fd = t->listener, .events = POLLIN };

	if (poll(&fd, 1, PATIENCE_MS) != 1)
		fail_msg("the source does not connect");
	return accept4(t->listener, NULL, NULL, SOCK_CLOEXEC);
}

static void take_hello(int fd, struct rj_hello *ret)
{
	struct rj_frame frame;

	assert_true(read_frame(fd, &frame));
	assert_int_equal(frame.type, RJ_FRAME_HELLO);
	assert_int_equal(
		rj_hello_decode(payload, frame.payload_bytes, ret, NULL), 0);
}

static void answer(struct lossy_target *t, uint32_t reconnect_ms)
{
	const struct rj_keeps keeps = { .reconnect_ms = reconnect_ms,
					.features = RJ_KEEPS_LANES };
	uint8_t body[RJ_KEEPS_BYTES];
	struct rj_frame frame;
	bool asked = false;

	take_hello(t->control, &t->hello);
	assert_true(wire_peer_send_hello(t->control, &t->hello));
	do {
		assert_true(read_frame(t->control, &frame));
		asked |= frame.type == RJ_FRAME_KEEPS;
	} while (frame.type != RJ_FRAME_BLOCKS);
	assert_true(asked);
	rj_keeps_encode(&keeps, body);
	say(t, RJ_FRAME_KEEPS, 0, body, sizeof(body));
	assert_true(wire_peer_send_accept(t->control, LOSSY_LANES));
}

void lossy_target_begin(struct lossy_target *t, uint32_t reconnect_ms)
{
	struct small_vm_options is = move_machine;
	struct wire_peer listening = { 0 };
	struct rj_hello hello;

	is.dirty = VM_DIRTY_SHARED;
	move_init(&t->move, &is);
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++) {
		t->memory[i] = malloc(is.bytes[i]);
		memset(t->memory[i], 0xdd, is.bytes[i]);
	}
	t->move.source_params.hold = true;
	t->move.source_params.reconnect_ms = reconnect_ms;
	t->move.source_params.verify = false;
	/* Each round has some. */
	t->move.source_params.hot_pages = RAMJET_HOT_PAGES_IN_TURN;
	t->move.source_params.channels = LOSSY_LANES;
	wire_peer_listen(&listening, t->move.folder);
	t->listener = listening.listener;
	move_send(&t->move);
	t->control = accept_one(t);
	answer(t, reconnect_ms);
	for (unsigned i = 0; i < LOSSY_LANES; i++) {
		const int fd = accept_one(t);

		take_hello(fd, &hello);
		t->lanes[hello.channel_index] =
			(struct lossy_lane){ .fd = fd, .counts = true };
	}
}

/* What was never touched is not sent, and is zero. */
static void expect_block(struct lossy_target *t, unsigned block)
{
	const struct small_vm *vm = &t->move.source;
	const uint64_t pages = vm->is.bytes[block] / RAMJET_PAGE_BYTES;

	for (uint64_t page = 0; page < pages; page++) {
		const uint64_t at = page * RAMJET_PAGE_BYTES;
		const uint8_t *here = vm->ram[block].host + at;
		bool zero = true;

		for (unsigned i = 0; zero && i < RAMJET_PAGE_BYTES; i++)
			zero = !here[i];
		if (zero && t->memory[block][at] == 0xdd)
			continue;
		if (memcmp(here, t->memory[block] + at, RAMJET_PAGE_BYTES))
			fail_msg("block %u, page %llu is not as it was", block,
				 (unsigned long long)page);
	}
}

void lossy_target_await(struct lossy_target *t)
{
	struct move *move = &t->move;

	move->source_rc =
		ramjet_wait(move->outgoing, PATIENCE_MS, &move->source_err);
	if (!ramjet_state_is_final(ramjet_migration_state(move->outgoing)))
		fail_msg("the source hangs: %s", move->source_err.message);
	assert_int_equal(ramjet_info(move->outgoing, &move->info), 0);
}

void lossy_target_expect_whole(struct lossy_target *t)
{
	lossy_target_await(t);
	if (t->move.source_rc)
		fail_msg("%s", t->move.source_err.message);
	assert_true(t->committed);
	assert_false(atomic_load(&t->move.source.running));
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++)
		expect_block(t, i);
}
