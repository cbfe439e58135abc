/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/link_keeper.h"

#include <errno.h>
#include <poll.h>

#include "engine/link/event.h"
#include "engine/link/lane.h"
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

/* Until there is more to read: 0; 1: stop; -ENODATA: the other side has come with
 * another connection. */
static int await_more(const struct rj_link_keeper *keeper,
		      struct ramjet_error *err)
{
	int timeout_ms = -1;
	struct pollfd fds[] = {
		{ .fd = keeper->stop_fd, .events = POLLIN },
		rj_link_pollfd(&keeper->reader, &timeout_ms),
		{ .fd = keeper->way ? keeper->way->visitor_fd : -1,
		  .events = POLLIN },
	};

	(void)poll(fds, 3, timeout_ms);
	if (fds[0].revents)
		return 1;
	if (fds[2].revents && keeper->way->has_come(keeper->way->user))
		return rj_fail(err, -ENODATA,
			       "control link: the peer connects anew");
	return 0;
}

/* The other side, too, keeps what it has said until it knows that it was heard.
 * RUNNING is the last: who has said it waits for just that. */
static int tell_heard(struct rj_link_keeper *keeper,
		      const struct rj_message *message,
		      struct ramjet_error *err)
{
	const uint64_t heard = keeper->reader.frames_in;

	keeper->untold_bytes += message->frame.payload_bytes;
	if (heard - keeper->told < RJ_RESUME_HEARD_FRAMES &&
	    keeper->untold_bytes < RJ_RESUME_HEARD_BYTES &&
	    message->frame.type != RJ_FRAME_RUNNING)
		return 0;
	keeper->told = heard;
	keeper->untold_bytes = 0;
	return rj_link_say_heard(keeper->link, heard, keeper->stop_fd, err);
}

static int take_heard(struct rj_link_keeper *keeper,
		      const struct rj_message *message,
		      struct ramjet_error *err)
{
	const int rc = rj_link_heard(keeper->link, message, err);

	/* Its owner may wait for that. */
	rj_event_signal(keeper->kept.event_fd);
	return rc;
}

static bool is_last_word(uint8_t type)
{
	return type == RJ_FRAME_FAILED || type == RJ_FRAME_CANCEL ||
	       type == RJ_FRAME_RUNNING;
}

/* Takes the message. 0, an error, or 1: stop. */
static int take(struct rj_link_keeper *keeper, struct rj_message *message,
		struct ramjet_error *err)
{
	const uint8_t type = message->frame.type;
	int rc;

	if (keeper->way && rj_resume_counts(type)) {
		if (is_last_word(type))
			rj_resume_end(keeper->link->resume);
		rc = tell_heard(keeper, message, err);
		if (rc) {
			rj_message_done(message);
			return rc == -ECANCELED ? 1 : rc;
		}
	}
	if (type != RJ_FRAME_PING && (type != RJ_FRAME_HEARD || !keeper->way))
		return keep(keeper, message, err);
	if (type == RJ_FRAME_PING)
		rc = rj_link_answer(keeper->link, message, keeper->stop_fd,
				    err);
	else
		rc = take_heard(keeper, message, err);
	rj_message_done(message);
	return rc == -ECANCELED ? 1 : rc;
}

/* The connection has ended: is there to be another? As take(). */
static int lose(struct rj_link_keeper *keeper, int rc, struct ramjet_error *err)
{
	if (!keeper->way || !rj_lane_is_loss(rc) ||
	    rj_resume_is_over(keeper->link->resume))
		return rc;
	rc = rj_link_return(keeper->link, &keeper->reader, keeper->way,
			    keeper->stop_fd, err);
	keeper->told = keeper->reader.frames_in;
	keeper->untold_bytes = 0;
	return rc;
}

/* 0, an error, or 1: stop. */
static int take_one(struct rj_link_keeper *keeper, struct ramjet_error *err)
{
	struct rj_message message = { 0 };
	int rc = rj_link_poll(&keeper->reader, &message, err);

	rj_link_count(keeper->link, &keeper->reader);
	if (!rc)
		rc = await_more(keeper, err);
	else if (rc > 0) {
		message.arrived_ns = rj_now_ns();
		return take(keeper, &message, err);
	}
	return rc < 0 ? lose(keeper, rc, err) : rc;
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

void rj_link_keeper_may_return(struct rj_link_keeper *keeper,
			       struct rj_link *link, struct rj_resume *resume,
			       const struct rj_link_way *way)
{
	rj_resume_init(resume, link->frames_out);
	link->resume = resume;
	keeper->way = way;
}

int rj_link_keeper_start(struct rj_link_keeper *keeper, struct rj_link *link,
			 int event_fd, uint64_t bytes_max,
			 struct ramjet_error *err)
{
	int rc;

	*keeper = (struct rj_link_keeper){ .link = link,
					   .stop_fd = -1,
					   .way = keeper->way,
					   .told = link->frames_in };
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
