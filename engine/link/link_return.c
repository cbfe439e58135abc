/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/link_return.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/link/hello.h"
#include "engine/link/lane.h"
#include "engine/link/link_wait.h"
#include "engine/wire/resume.h"
#include "util/clock.h"
#include "util/error.h"

/* How long the other side, which has said HELLO just now, may take to say RESUME.
 * Chosen: some round trips, and a thread that waits for a CPU. */
#define RESUME_NS (5 * UINT64_C(1000000000))

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

static int say_resume(struct rj_link *fresh, uint64_t heard,
		      uint64_t deadline_ns, struct ramjet_error *err)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_RESUME,
		.payload_bytes = RJ_RESUME_BYTES,
	};
	uint8_t body[RJ_RESUME_BYTES];

	rj_resume_encode(heard, body);
	return rj_link_send(fresh, &frame, body, deadline_ns, err);
}

static int hear_resume(struct rj_link *fresh, uint64_t deadline_ns,
		       uint64_t *ret_heard, struct ramjet_error *err)
{
	struct rj_message message = { 0 };
	int rc = rj_link_wait(fresh, deadline_ns, &message, err);

	if (rc)
		return rc;
	if (message.frame.type == RJ_FRAME_RESUME)
		rc = rj_resume_decode(message.payload,
				      message.frame.payload_bytes, ret_heard,
				      err);
	else
		rc = rj_fail(err, -EPROTO, "a %s frame came, wanted RESUME",
			     rj_frame_type_name(message.frame.type));
	if (rc)
		rj_link_blame(&message, err);
	rj_message_done(&message);
	return rc;
}

/* All that the other side has not heard. */
static int say_again(struct rj_link *link, uint64_t deadline_ns, int stop_fd)
{
	const uint8_t *wire;
	uint64_t number = 0;
	size_t bytes = 0;

	while ((wire = rj_resume_next(link->resume, &bytes, &number))) {
		const int rc = rj_send_all(&link->conn, wire, bytes,
					   deadline_ns, stop_fd);

		if (rc)
			return rc;
		rj_resume_wrote(link->resume, number);
	}
	return 0;
}

/* Its descriptor becomes that of the link, and of all who know it by number. Who
 * writes to the one before has noted what he wrote, or has not begun. */
static int take_over_locked(struct rj_link *link, struct rj_conn *conn,
			    uint64_t heard, struct ramjet_error *err)
	RJ_REQUIRES(link->sending)
{
	const int rc = rj_resume_return(link->resume, heard, err);

	if (rc) {
		rj_error_prefix(err, "RESUME");
		return rc;
	}
	if (dup3(conn->fd, link->conn.fd, O_CLOEXEC) < 0)
		return rj_fail_errno(err, -errno, "control link: dup3");
	(void)close(conn->fd);
	*conn = (struct rj_conn)RJ_CONN_NONE;
	return 0;
}

static int take_over(struct rj_link *link, struct rj_conn *conn, uint64_t heard,
		     uint64_t deadline_ns, int stop_fd,
		     struct ramjet_error *err)
{
	int rc;

	rj_lock(&link->sending);
	rc = take_over_locked(link, conn, heard, err);
	if (!rc) {
		rc = say_again(link, deadline_ns, stop_fd);
		if (rc)
			(void)rj_fail_errno(err, rc,
					    "control link: saying again what "
					    "was not heard");
	}
	rj_unlock(&link->sending);
	return rc;
}

/* Where a frame was read in part: it comes again, whole. */
static void begin_anew(struct rj_link *reader, const struct rj_link *fresh)
{
	rj_message_done(&reader->message);
	reader->header_have = reader->payload_have = reader->skip = 0;
	reader->received = fresh->received;
}

/* 0; or what went wrong with this connection. */
static int go_on_with(struct rj_link *link, struct rj_link *reader,
		      struct rj_conn *conn, uint64_t deadline_ns, int stop_fd,
		      struct ramjet_error *err)
{
	const uint64_t resume_ns =
		earlier(deadline_ns, rj_now_ns() + RESUME_NS);
	struct rj_link fresh;
	uint64_t heard = 0;
	int rc;

	rj_link_init(&fresh, conn, stop_fd);
	fresh.received = RJ_HELLO_FRAME_BYTES;
	rc = say_resume(&fresh, reader->frames_in, resume_ns, err);
	if (!rc)
		rc = hear_resume(&fresh, resume_ns, &heard, err);
	if (!rc) {
		begin_anew(reader, &fresh);
		rc = take_over(link, conn, heard, deadline_ns, stop_fd, err);
	}
	rj_link_done(&fresh);
	return rc;
}

/* One try after the other. */
static int try_on(struct rj_link *link, struct rj_link *reader,
		  const struct rj_link_way *way, uint64_t deadline_ns,
		  int stop_fd, struct ramjet_error *err)
{
	struct rj_conn conn = RJ_CONN_NONE;
	int rc;

	for (;;) {
		rj_error_clear(err);
		rc = way->connect(way->user, deadline_ns, stop_fd, &conn, err);
		if (rc)
			return rc;
		rc = go_on_with(link, reader, &conn, deadline_ns, stop_fd, err);
		(void)rj_conn_close(&conn, 0, NULL);
		if (!rc || !rj_lane_is_loss(rc))
			return rc;
		rj_link_lose(link, NULL);
	}
}

int rj_link_return(struct rj_link *link, struct rj_link *reader,
		   const struct rj_link_way *way, int stop_fd,
		   struct ramjet_error *err)
{
	const uint64_t deadline_ns =
		rj_resume_lost_since(link->resume, reader->frames_in,
				     rj_now_ns()) +
		way->window_ns;
	struct ramjet_error first, why = { 0 };
	int rc;

	rj_link_lose(link, NULL);
	first = rj_resume_why(link->resume);
	if (!first.code)
		first = *err;
	way->tell(way->user, &first);
	rc = try_on(link, reader, way, deadline_ns, stop_fd, &why);
	rj_error_clear(err);
	if (!rc) {
		way->tell(way->user, NULL);
		return 0;
	}
	if (rc == -ECANCELED)
		return 1;
	return rj_fail(err, first.code, "%.230s; it did not return: %.230s",
		       first.message, why.message);
}
