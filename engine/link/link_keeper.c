/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/link_keeper.h"

#include <errno.h>
#include <poll.h>

#include "engine/link/event.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/thread.h"

/* How soon it reads on when the owner has taken something. Chosen: rare enough. */
#define FULL_MS 10

/* Until there is something to read, or for timeout_ms; false: stop. */
static bool sleep_on(const struct rj_link_keeper *keeper, struct pollfd fd,
		     int timeout_ms)
{
	struct pollfd fds[2] = {
		{ .fd = keeper->stop_fd, .events = POLLIN },
		fd,
	};

	(void)poll(fds, 2, timeout_ms);
	return !fds[0].revents;
}

/* Takes the message. 0, an error, or 1: stop. */
static int keep(struct rj_link_keeper *keeper, struct rj_message *message,
		struct ramjet_error *err)
{
	while (!rj_mailbox_has_room(&keeper->kept,
				    message->frame.payload_bytes))
		if (!sleep_on(keeper, (struct pollfd){ .fd = -1 }, FULL_MS)) {
			rj_message_done(message);
			return 1;
		}
	return rj_mailbox_put(&keeper->kept, message, err);
}

static bool await_more(const struct rj_link_keeper *keeper)
{
	int timeout_ms = -1;
	const struct pollfd fd = rj_link_pollfd(&keeper->reader, &timeout_ms);

	return sleep_on(keeper, fd, timeout_ms);
}

/* 0, an error, or 1: stop. */
static int take_one(struct rj_link_keeper *keeper, struct ramjet_error *err)
{
	struct rj_message message = { 0 };
	int rc = rj_link_poll(&keeper->reader, &message, err);

	rj_link_count(keeper->link, &keeper->reader);
	if (rc < 0)
		return rc;
	if (!rc)
		return await_more(keeper) ? 0 : 1;
	message.arrived_ns = rj_now_ns();
	if (message.frame.type != RJ_FRAME_PING)
		return keep(keeper, &message, err);
	rc = rj_link_answer(keeper->link, &message, keeper->stop_fd, err);
	rj_message_done(&message);
	return rc == -ECANCELED ? 1 : rc;
}

static void *keeper_thread(void *arg)
{
	struct rj_link_keeper *keeper = arg;
	struct ramjet_error err = { 0 };
	int rc;

	while (!(rc = take_one(keeper, &err)))
		continue;
	if (rc < 0)
		rj_mailbox_put_end(&keeper->kept, &err);
	return NULL;
}

int rj_link_keeper_start(struct rj_link_keeper *keeper, struct rj_link *link,
			 int event_fd, uint64_t bytes_max,
			 struct ramjet_error *err)
{
	int rc;

	*keeper = (struct rj_link_keeper){ .link = link, .stop_fd = -1 };
	keeper->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (keeper->stop_fd < 0)
		return rj_fail_errno(err, -errno, "control link: eventfd");
	rj_mailbox_init(&keeper->kept, bytes_max, event_fd);
	rj_link_hand_over(link, &keeper->reader);
	link->inbox = &keeper->kept;
	rc = rj_thread_start(&keeper->thread, "rj/link", keeper_thread, keeper);
	keeper->started = !rc;
	if (!rc)
		return 0;
	link->inbox = NULL;
	rj_link_hand_over(&keeper->reader, link);
	rj_link_keeper_done(keeper);
	return rj_fail_errno(err, rc, "control link: a thread to read it");
}

void rj_link_keeper_stop(struct rj_link_keeper *keeper)
{
	if (!keeper->started)
		return;
	rj_event_signal(keeper->stop_fd);
	(void)pthread_join(keeper->thread, NULL);
	keeper->started = false;
}

void rj_link_keeper_done(struct rj_link_keeper *keeper)
{
	if (!keeper->link)
		return;
	rj_link_keeper_stop(keeper);
	rj_message_done(&keeper->reader.message);
	rj_mailbox_done(&keeper->kept);
	rj_close_fd(&keeper->stop_fd);
	keeper->link = NULL;
}
