/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/target/door.h"

#include <errno.h>

#include "engine/link/event.h"
#include "engine/link/refusal.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/thread.h"

/* Takes as long whatever the two are: the id is a secret. */
static bool is_same_session(const uint8_t *a, const uint8_t *b)
{
	uint8_t differs = 0;

	for (unsigned i = 0; i < RJ_SESSION_BYTES; i++)
		differs |= a[i] ^ b[i];
	return !differs;
}

/* What it comes for, or what is wrong with it. */
static int place_of(const struct rj_door *door, const struct rj_hello *hello,
		    unsigned *ret, struct ramjet_error *err)
{
	const bool data = hello->role == RJ_ROLE_DATA;
	const unsigned count =
		data ? door->lane_count : door->session.channel_count;

	if ((!data && hello->role != RJ_ROLE_CONTROL) || !hello->epoch ||
	    !is_same_session(hello->session, door->session.session))
		return rj_fail(err, -EBUSY,
			       "session: another one is being served");
	if (hello->channel_count != count)
		return rj_fail(err, -EPROTO,
			       "session: a connection that returns names %u "
			       "channels, wanted %u",
			       hello->channel_count, count);
	*ret = data ? hello->channel_index : RJ_DOOR_CONTROL;
	return 0;
}

/* The visitor takes its place; who had it goes. */
static void seat(struct rj_door *door, unsigned place,
		 const struct rj_visitor *visitor)
{
	struct rj_conn older;

	rj_lock(&door->lock);
	older = door->places[place].conn;
	door->places[place].conn = visitor->conn;
	door->places[place].hello = visitor->hello;
	if (!rj_conn_is_open(&older))
		(void)atomic_fetch_add_explicit(&door->waiting, 1,
						memory_order_relaxed);
	rj_unlock(&door->lock);
	(void)rj_conn_close(&older, 0, NULL);
	rj_event_signal(door->event_fd);
	if (place == RJ_DOOR_CONTROL)
		rj_event_signal(door->control_fd);
}

static void receive(struct rj_door *door, struct rj_visitor *visitor)
{
	unsigned place = 0;

	if (visitor->why.code ||
	    place_of(door, &visitor->hello, &place, &visitor->why))
		rj_refuse(&visitor->conn, &visitor->why, door->log);
	else
		seat(door, place, visitor);
}

static void *door_thread(void *arg)
{
	struct rj_door *door = arg;
	struct rj_visitor visitor;
	struct ramjet_error err = { 0 };
	int rc;

	while (!(rc = rj_lobby_next(&door->lobby, 0, door->stop_fd, &visitor,
				    &err)))
		receive(door, &visitor);
	if (rc != -ECANCELED)
		rj_log(door->log, RJ_LOG_WARNING,
		       "no lost connection can return any more: %s",
		       err.message);
	return NULL;
}

int rj_door_open(struct rj_door *door, struct rj_lobby *lobby,
		 const struct rj_hello *session, unsigned lane_count,
		 int event_fd, const struct rj_log *log,
		 struct ramjet_error *err)
{
	int rc;

	*door = (struct rj_door){
		.session = *session,
		.lane_count = lane_count,
		.event_fd = event_fd,
		.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.control_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.log = log,
		.lobby = *lobby,
	};
	if (door->stop_fd < 0 || door->control_fd < 0) {
		rc = rj_fail_errno(err, -errno, "door: eventfd");
		rj_close_fd(&door->stop_fd);
		rj_close_fd(&door->control_fd);
		return rc;
	}
	rj_mutex_init(&door->lock);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(door->places); i++)
		door->places[i].conn = (struct rj_conn)RJ_CONN_NONE;
	rc = rj_thread_start(&door->thread, "rj/door", door_thread, door);
	if (rc) {
		rj_mutex_done(&door->lock);
		rj_close_fd(&door->stop_fd);
		rj_close_fd(&door->control_fd);
		return rj_thread_fail(err, rc, "door");
	}
	door->started = true;
	*lobby = (struct rj_lobby){ 0 };
	return 0;
}

bool rj_door_take(struct rj_door *door, unsigned place, struct rj_visitor *ret)
{
	struct rj_door_place *at = &door->places[place];
	bool taken;

	if (!door->started)
		return false;
	rj_lock(&door->lock);
	taken = rj_conn_is_open(&at->conn);
	if (taken) {
		*ret = (struct rj_visitor){ .conn = at->conn,
					    .hello = at->hello };
		at->conn = (struct rj_conn)RJ_CONN_NONE;
		(void)atomic_fetch_sub_explicit(&door->waiting, 1,
						memory_order_relaxed);
	}
	rj_unlock(&door->lock);
	return taken;
}

uint32_t rj_door_epoch(struct rj_door *door, unsigned place)
{
	const struct rj_door_place *at = &door->places[place];
	uint32_t epoch;

	rj_lock(&door->lock);
	epoch = rj_conn_is_open(&at->conn) ? at->hello.epoch : 0;
	rj_unlock(&door->lock);
	return epoch;
}

void rj_door_close(struct rj_door *door)
{
	if (!door->started)
		return;
	rj_event_signal(door->stop_fd);
	(void)pthread_join(door->thread, NULL);
	door->started = false;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(door->places); i++)
		(void)rj_conn_close(&door->places[i].conn, 0, NULL);
	rj_lobby_done(&door->lobby);
	rj_mutex_done(&door->lock);
	rj_close_fd(&door->stop_fd);
	rj_close_fd(&door->control_fd);
}
