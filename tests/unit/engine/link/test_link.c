/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/link/event.h"
#include "engine/link/link.h"
#include "engine/link/link_wait.h"
#include "util/clock.h"

#define STREAM_MAX 4096u
#define SECOND_NS  UINT64_C(1000000000)

/* A link, and the other end of its connection in our hands. */
struct wire {
	struct rj_link link;
	int ours, theirs;
	int wake_fd;
	uint8_t stream[STREAM_MAX]; /* frames to be sent */
	size_t bytes;
	struct ramjet_error err;
};

static void cut(struct wire *w)
{
	if (w->ours >= 0)
		(void)close(w->ours);
	w->ours = -1;
}

/* A fresh connection; the stream stays. */
static void connect_again(struct wire *w)
{
	struct rj_conn conn;
	int fds[2];

	cut(w);
	if (w->theirs >= 0)
		(void)close(w->theirs);
	rj_link_done(&w->link);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	w->ours = fds[0];
	w->theirs = fds[1];
	w->err = (struct ramjet_error){ 0 };
	conn = rj_conn_bare(w->theirs, RJ_CONN_UNIX);
	rj_link_init(&w->link, &conn, w->wake_fd);
}

static int setup(void **state)
{
	struct wire *w = calloc(1, sizeof(*w));

	w->ours = w->theirs = -1;
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	connect_again(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct wire *w = *state;

	rj_link_done(&w->link);
	cut(w);
	(void)close(w->theirs);
	(void)close(w->wake_fd);
	free(w);
	return 0;
}

static void append(struct wire *w, const struct rj_frame *frame,
		   const void *payload)
{
	rj_frame_encode(frame, NULL, payload, w->stream + w->bytes);
	w->bytes += RJ_HEADER_BYTES;
	if (payload)
		memcpy(w->stream + w->bytes, payload, frame->payload_bytes);
	w->bytes += frame->payload_bytes;
}

/* Three frames, the middle one with a payload. */
static void append_three(struct wire *w)
{
	const struct rj_frame applied = { .type = RJ_FRAME_APPLIED,
					  .round = 9 };
	const struct rj_frame state = { .type = RJ_FRAME_STATE,
					.aux = RJ_STATE_DEVICE,
					.payload_bytes = 11 };
	const struct rj_frame accept = { .type = RJ_FRAME_CANCEL };

	append(w, &applied, NULL);
	append(w, &state, "hello world");
	append(w, &accept, NULL);
}

static void push(struct wire *w, size_t from, size_t bytes)
{
	assert_int_equal(write(w->ours, w->stream + from, bytes), bytes);
}

/* The next of append_three(); releases it. */
static void expect_nth(struct wire *w, unsigned nth)
{
	static const uint8_t types[] = { RJ_FRAME_APPLIED, RJ_FRAME_STATE,
					 RJ_FRAME_CANCEL };
	struct rj_message m = { 0 };

	if (rj_link_poll(&w->link, &m, &w->err) != 1)
		fail_msg("message %u: %s", nth, w->err.message);
	assert_int_equal(m.frame.type, types[nth]);
	if (nth == 0)
		assert_int_equal(m.frame.round, 9);
	if (nth == 1) {
		assert_int_equal(m.frame.payload_bytes, 11);
		assert_memory_equal(m.payload, "hello world", 11);
	}
	rj_message_done(&m);
}

static void expect_nothing(struct wire *w)
{
	struct rj_message m = { 0 };

	assert_int_equal(rj_link_poll(&w->link, &m, &w->err), 0);
}

static void expect_error(struct wire *w, int code)
{
	struct rj_message m = { 0 };

	assert_int_equal(rj_link_poll(&w->link, &m, &w->err), code);
	assert_int_equal(w->err.code, code);
	assert_non_null(strstr(w->err.message, "control link"));
}

static void what_is_sent_arrives(void **state)
{
	const struct rj_frame state_frame = { .type = RJ_FRAME_STATE,
					      .aux = RJ_STATE_DEVICE,
					      .payload_bytes = 11 };
	const struct rj_frame applied = { .type = RJ_FRAME_APPLIED,
					  .round = 9 };
	struct wire *w = *state;
	const struct rj_conn conn = rj_conn_bare(w->ours, RJ_CONN_UNIX);
	struct rj_link sender;

	rj_link_init(&sender, &conn, -1);
	assert_int_equal(rj_link_send(&sender, &applied, NULL, 0, NULL), 0);
	assert_int_equal(
		rj_link_send(&sender, &state_frame, "hello world", 0, NULL), 0);
	assert_int_equal(rj_link_send_type(&sender, RJ_FRAME_CANCEL, 0, NULL),
			 0);
	for (unsigned nth = 0; nth < 3; nth++)
		expect_nth(w, nth);
	expect_nothing(w);
	assert_int_equal(w->link.bytes, 3 * RJ_HEADER_BYTES + 11);
	assert_int_equal(sender.bytes, w->link.bytes);
	rj_link_done(&sender);
}

static void frames_may_come_byte_by_byte(void **state)
{
	struct wire *w = *state;
	size_t ends[3];
	unsigned nth = 0;

	append_three(w);
	ends[0] = RJ_HEADER_BYTES;
	ends[1] = 2 * RJ_HEADER_BYTES + 11;
	ends[2] = w->bytes;
	for (size_t at = 0; at < w->bytes; at++) {
		expect_nothing(w);
		push(w, at, 1);
		if (at + 1 == ends[nth])
			expect_nth(w, nth++);
	}
	assert_int_equal(nth, 3);
}

static void frames_may_come_in_any_two_parts(void **state)
{
	struct wire *w = *state;

	append_three(w);
	for (size_t at = 1; at < w->bytes; at++) {
		struct rj_message m;
		unsigned nth = 0;

		connect_again(w);
		push(w, 0, at);
		while (rj_link_poll(&w->link, &m, &w->err) == 1) {
			rj_message_done(&m);
			nth++;
		}
		push(w, at, w->bytes - at);
		while (nth < 3)
			expect_nth(w, nth++);
		expect_nothing(w);
	}
}

static void an_end_between_frames_is_no_data_and_amid_one_is_broken(
	void **state)
{
	struct wire *w = *state;

	append_three(w);
	for (size_t at = 0; at <= w->bytes; at++) {
		const bool between = at == 0 || at == RJ_HEADER_BYTES ||
				     at == 2 * RJ_HEADER_BYTES + 11 ||
				     at == w->bytes;
		struct rj_message m;
		int rc;

		connect_again(w);
		if (at)
			push(w, 0, at);
		cut(w);
		while ((rc = rj_link_poll(&w->link, &m, &w->err)) == 1)
			rj_message_done(&m);
		assert_int_equal(rc, between ? -ENODATA : -EPIPE);
		assert_int_equal(w->err.code, rc);
		assert_true(*w->err.message);
	}
}

static void garbage_is_refused(void **state)
{
	struct wire *w = *state;

	memcpy(w->stream, "GET / HTTP/1.1\r\nHost: localhost\r\n", 33);
	push(w, 0, 33);
	expect_error(w, -EPROTO);
}

static void any_flipped_bit_is_noticed(void **state)
{
	struct wire *w = *state;
	const struct rj_frame frame = { .type = RJ_FRAME_STATE,
					.aux = RJ_STATE_DEVICE,
					.payload_bytes = 5 };

	append(w, &frame, "abcde");
	for (size_t bit = 0; bit < w->bytes * 8; bit++) {
		struct rj_message m = { 0 };
		int rc;

		connect_again(w);
		w->stream[bit / 8] ^= (uint8_t)(1u << bit % 8);
		push(w, 0, w->bytes);
		w->stream[bit / 8] ^= (uint8_t)(1u << bit % 8);
		/* It may wait for more, or skip what is said to be optional;
		 * never is there a message. */
		rc = rj_link_poll(&w->link, &m, &w->err);
		assert_true(rc <= 0);
		assert_true(rc == 0 || *w->err.message);
	}
}

static void a_payload_that_is_too_large_is_refused_before_it_is_stored(
	void **state)
{
	const struct rj_frame frame = { .type = RJ_FRAME_STATE,
					.aux = RJ_STATE_DEVICE,
					.payload_bytes = RJ_CONTROL_BODY_MAX };
	struct wire *w = *state;

	append(w, &(struct rj_frame){ .type = RJ_FRAME_CANCEL }, NULL);
	w->stream[4] = RJ_FRAME_STATE;
	w->stream[20] = RJ_STATE_DEVICE;
	/* One more than frame.payload_bytes, on the wire. */
	assert_int_equal(frame.payload_bytes, 0x100000);
	w->stream[16] = 1;
	w->stream[18] = 0x10;
	push(w, 0, RJ_HEADER_BYTES);
	expect_error(w, -EPROTO);
	assert_null(w->link.message.payload);
}

static void pages_have_no_place_on_the_link(void **state)
{
	const struct rj_wire_run run = { 0, 1, RJ_RUN_ZERO };
	const struct rj_frame pages = { .type = RJ_FRAME_PAGES,
					.run_count = 1 };
	const struct rj_frame fence = { .type = RJ_FRAME_FENCE };
	struct wire *w = *state;
	uint8_t table[RJ_RUN_BYTES];

	rj_run_encode(&run, table);
	rj_frame_encode(&pages, table, NULL, w->stream);
	memcpy(w->stream + RJ_HEADER_BYTES, table, sizeof(table));
	push(w, 0, RJ_HEADER_BYTES + sizeof(table));
	expect_error(w, -EPROTO);
	connect_again(w);
	append(w, &fence, NULL);
	push(w, 0, RJ_HEADER_BYTES);
	expect_error(w, -EPROTO);
}

static void unknown_frames_are_skipped_if_optional_and_else_refused(
	void **state)
{
	struct wire *w = *state;
	struct rj_frame later = { .type = 0x6e,
				  .flags = RJ_FLAG_OPTIONAL,
				  .payload_bytes = 700 };
	static const uint8_t payload[700];

	append(w, &later, payload);
	later.payload_bytes = 0;
	append(w, &later, NULL);
	append_three(w);
	for (size_t at = 1; at < w->bytes; at += 13) {
		struct rj_message m;
		unsigned nth = 0;

		connect_again(w);
		push(w, 0, at);
		while (rj_link_poll(&w->link, &m, &w->err) == 1) {
			rj_message_done(&m);
			nth++;
		}
		push(w, at, w->bytes - at);
		while (nth < 3)
			expect_nth(w, nth++);
	}
	connect_again(w);
	w->bytes = 0;
	later.flags = 0;
	append(w, &later, NULL);
	push(w, 0, RJ_HEADER_BYTES);
	expect_error(w, -EPROTO);
}

static void unknown_frames_with_runs_are_skipped_too(void **state)
{
	const struct rj_frame later = { .type = 0x6e,
					.flags = RJ_FLAG_OPTIONAL,
					.run_count = 3,
					.payload_bytes = 10 };
	static const uint8_t rest[3 * RJ_RUN_BYTES + 10];
	struct wire *w = *state;

	rj_frame_encode(&later, rest, rest, w->stream);
	w->bytes = RJ_HEADER_BYTES + sizeof(rest);
	append_three(w);
	push(w, 0, w->bytes);
	for (unsigned nth = 0; nth < 3; nth++)
		expect_nth(w, nth);
}

/* ---- waiting ---- */

static void waiting_ends_with_a_message_a_deadline_or_a_wake_up(void **state)
{
	struct wire *w = *state;
	struct rj_message m = { 0 };

	append_three(w);
	push(w, 0, RJ_HEADER_BYTES);
	assert_int_equal(rj_link_wait(&w->link, 0, &m, &w->err), 0);
	assert_int_equal(m.frame.round, 9);
	assert_int_equal(
		rj_link_wait(&w->link, rj_now_ns() + 1000000, &m, &w->err),
		-ETIMEDOUT);
	assert_int_equal(w->err.code, -ETIMEDOUT);
	rj_event_signal(w->wake_fd);
	assert_int_equal(rj_link_wait(&w->link, 0, &m, NULL), -ECANCELED);
	cut(w);
	w->link.wake_fd = -1;
	assert_int_equal(rj_link_wait(&w->link, 0, &m, NULL), -ENODATA);
}

static void sending_into_a_full_connection_ends_at_the_deadline(void **state)
{
	const struct rj_frame frame = { .type = RJ_FRAME_STATE,
					.aux = RJ_STATE_DEVICE,
					.payload_bytes = RJ_CONTROL_BODY_MAX };
	uint8_t *payload = calloc(1, RJ_CONTROL_BODY_MAX);
	struct wire *w = *state;
	int rc = 0;

	for (unsigned i = 0; !rc && i < 64; i++)
		rc = rj_link_send(&w->link, &frame, payload,
				  rj_now_ns() + 2000000, &w->err);
	free(payload);
	assert_int_equal(rc, -ETIMEDOUT);
	assert_int_equal(w->err.code, -ETIMEDOUT);
	cut(w);
	assert_int_equal(rj_link_send_type(&w->link, RJ_FRAME_CANCEL,
					   rj_now_ns() + SECOND_NS, NULL),
			 -EPIPE);
}

/* ---- in band ---- */

static void in_band_frames_go_through_the_boxes(void **state)
{
	const struct rj_frame frame = { .type = RJ_FRAME_STATE,
					.aux = RJ_STATE_DEVICE,
					.payload_bytes = 3 };
	char payload[] = "abc";
	struct rj_mailbox box;
	struct wire *w = *state;
	struct rj_message m = { 0 };

	rj_mailbox_init(&box, RJ_MAILBOX_ANY_BYTES, w->wake_fd);
	w->link.outbox = w->link.inbox = &box;
	assert_int_equal(rj_link_send(&w->link, &frame, payload, 0, NULL), 0);
	memset(payload, 'x', 3);
	w->link.wake_fd = -1;
	assert_int_equal(rj_link_wait(&w->link, 0, &m, NULL), 0);
	assert_int_equal(m.frame.type, RJ_FRAME_STATE);
	assert_memory_equal(m.payload, "abc", 3);
	rj_message_done(&m);
	expect_nothing(w);
	rj_mailbox_done(&box);
	w->link.inbox = NULL;
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(what_is_sent_arrives),
		CASE(frames_may_come_byte_by_byte),
		CASE(frames_may_come_in_any_two_parts),
		CASE(an_end_between_frames_is_no_data_and_amid_one_is_broken),
		CASE(garbage_is_refused),
		CASE(any_flipped_bit_is_noticed),
		CASE(a_payload_that_is_too_large_is_refused_before_it_is_stored),
		CASE(pages_have_no_place_on_the_link),
		CASE(unknown_frames_are_skipped_if_optional_and_else_refused),
		CASE(unknown_frames_with_runs_are_skipped_too),
		CASE(waiting_ends_with_a_message_a_deadline_or_a_wake_up),
		CASE(sending_into_a_full_connection_ends_at_the_deadline),
		CASE(in_band_frames_go_through_the_boxes),
	};

	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
