/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/link/event.h"
#include "engine/link/mailbox.h"

struct post {
	struct rj_mailbox box;
	int event_fd;
};

static int setup(void **state)
{
	struct post *post = calloc(1, sizeof(*post));

	if (!post)
		return -1;
	post->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rj_mailbox_init(&post->box, RJ_MAILBOX_ANY_BYTES, post->event_fd);
	*state = post;
	return post->event_fd < 0;
}

static int teardown(void **state)
{
	struct post *post = *state;

	rj_mailbox_done(&post->box);
	(void)close(post->event_fd);
	free(post);
	return 0;
}

static struct rj_message letter(uint32_t number)
{
	struct rj_message message = {
		.frame = { .type = RJ_FRAME_STATE,
			   .round = number,
			   .payload_bytes = 8 },
		.payload = malloc(8),
	};

	assert_non_null(message.payload);
	memset(message.payload, (int)(number & 0xff), 8);
	return message;
}

static bool is_signalled(const struct post *post)
{
	struct pollfd fd = { .fd = post->event_fd, .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static void an_empty_box_gives_nothing(void **state)
{
	struct post *post = *state;
	struct rj_message message;

	assert_int_equal(rj_mailbox_get(&post->box, &message), 0);
	assert_false(is_signalled(post));
}

static void mail_comes_out_as_it_went_in(void **state)
{
	struct post *post = *state;
	struct rj_message message;

	for (uint32_t i = 0; i < 100; i++) {
		message = letter(i);
		assert_int_equal(rj_mailbox_put(&post->box, &message, NULL), 0);
	}
	assert_true(is_signalled(post));
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(rj_mailbox_get(&post->box, &message), 1);
		assert_int_equal(message.frame.round, i);
		assert_int_equal(message.payload[7], i);
		rj_message_done(&message);
		assert_null(message.payload);
	}
	assert_int_equal(rj_mailbox_get(&post->box, &message), 0);
	message = letter(7);
	assert_int_equal(rj_mailbox_put(&post->box, &message, NULL), 0);
	assert_int_equal(rj_mailbox_get(&post->box, &message), 1);
	assert_int_equal(message.frame.round, 7);
	rj_message_done(&message);
}

static void a_full_box_refuses_and_keeps_what_it_has(void **state)
{
	struct post *post = *state;
	struct rj_message message;

	for (uint32_t i = 0; i < RJ_MAILBOX_MAX; i++) {
		message = letter(i);
		assert_int_equal(rj_mailbox_put(&post->box, &message, NULL), 0);
	}
	/* The payload is taken all the same: a leak check would tell. */
	message = letter(4711);
	assert_int_equal(rj_mailbox_put(&post->box, &message, NULL), -ENOBUFS);
	assert_int_equal(rj_mailbox_get(&post->box, &message), 1);
	assert_int_equal(message.frame.round, 0);
	rj_message_done(&message);
	message = letter(1);
	assert_int_equal(rj_mailbox_put(&post->box, &message, NULL), 0);
}

static void a_box_has_room_for_so_many_bytes(void **state)
{
	struct rj_message message = letter(1);
	struct ramjet_error err = { 0 };
	struct rj_mailbox box;

	(void)state;
	rj_mailbox_init(&box, 20, -1);
	assert_int_equal(rj_mailbox_put(&box, &message, &err), 0);
	message = letter(2);
	assert_int_equal(rj_mailbox_put(&box, &message, &err), 0);
	message = letter(3);
	assert_int_equal(rj_mailbox_put(&box, &message, &err), -ENOBUFS);
	assert_string_equal(err.message,
			    "control frames: 16 bytes wait to be taken and 8 "
			    "came, at most 20 are allowed");
	/* What was taken makes room. */
	assert_int_equal(rj_mailbox_get(&box, &message), 1);
	rj_message_done(&message);
	message = letter(4);
	assert_int_equal(rj_mailbox_put(&box, &message, NULL), 0);
	rj_mailbox_done(&box);
}

static void a_box_may_do_without_an_event(void **state)
{
	struct rj_message message = letter(3);
	struct rj_mailbox box;

	(void)state;
	rj_mailbox_init(&box, RJ_MAILBOX_ANY_BYTES, -1);
	assert_int_equal(rj_mailbox_put(&box, &message, NULL), 0);
	rj_mailbox_done(&box);
}

#define LETTERS 3000u

static void *write_letters(void *user)
{
	struct rj_mailbox *box = user;

	for (uint32_t i = 0; i < LETTERS; i++) {
		struct rj_message message = {
			.frame = { .type = RJ_FRAME_STATE, .round = i },
		};

		if (rj_mailbox_put(box, &message, NULL))
			return box;
	}
	return NULL;
}

static void mail_of_another_thread_arrives_whole_and_in_order(void **state)
{
	struct post *post = *state;
	struct rj_message message;
	void *failed = NULL;
	pthread_t writer;
	uint32_t next = 0;

	assert_int_equal(
		pthread_create(&writer, NULL, write_letters, &post->box), 0);
	while (next < LETTERS) {
		struct pollfd fd = { .fd = post->event_fd, .events = POLLIN };

		if (rj_mailbox_get(&post->box, &message)) {
			assert_int_equal(message.frame.round, next);
			next++;
			continue;
		}
		assert_int_equal(poll(&fd, 1, 20000), 1);
		rj_event_clear(post->event_fd);
	}
	assert_int_equal(pthread_join(writer, &failed), 0);
	assert_null(failed);
}

/* Once, and after all mail, which may be a while after it was put. */
static void the_end_comes_after_all_mail(void **state)
{
	struct ramjet_error why = { .code = -ENOMEM, .message = "why" };
	struct rj_message message = letter(1);
	struct post *post = *state;

	assert_int_equal(rj_mailbox_put(&post->box, &message, NULL), 0);
	rj_event_clear(post->event_fd);
	rj_mailbox_put_end(&post->box, &why);
	why = (struct ramjet_error){ 0 };
	assert_true(is_signalled(post));
	assert_int_equal(rj_mailbox_get(&post->box, &message), 1);
	assert_null(message.end);
	rj_message_done(&message);
	assert_false(rj_mailbox_is_empty(&post->box));
	assert_int_equal(rj_mailbox_get(&post->box, &message), 1);
	assert_non_null(message.end);
	assert_int_equal(message.end->code, -ENOMEM);
	assert_string_equal(message.end->message, "why");
	rj_message_done(&message);
	assert_true(rj_mailbox_is_empty(&post->box));
	assert_int_equal(rj_mailbox_get(&post->box, &message), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(an_empty_box_gives_nothing),
		CASE(mail_comes_out_as_it_went_in),
		CASE(a_full_box_refuses_and_keeps_what_it_has),
		CASE(a_box_has_room_for_so_many_bytes),
		CASE(a_box_may_do_without_an_event),
		CASE(the_end_comes_after_all_mail),
		CASE(mail_of_another_thread_arrives_whole_and_in_order),
	};

	return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
