/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/hello.h"

#include <errno.h>

#include "ringio/endpoint.h"
#include "util/error.h"

int rj_hello_send(int fd, const struct rj_hello *hello, uint64_t deadline_ns,
		  int wake_fd, struct ramjet_error *err)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_HELLO,
		.payload_bytes = RJ_HELLO_BYTES,
	};
	uint8_t wire[RJ_HELLO_FRAME_BYTES];
	int rc;

	rj_hello_encode(hello, wire + RJ_HEADER_BYTES);
	rj_frame_encode(&frame, NULL, wire + RJ_HEADER_BYTES, wire);
	rc = rj_send_all(fd, wire, sizeof(wire), deadline_ns, wake_fd);
	if (rc)
		return rj_fail_errno(err, rc, "handshake: sending HELLO");
	return 0;
}

static int receive_body(int fd, const uint8_t *header,
			const struct rj_frame *frame, uint8_t *body,
			uint64_t deadline_ns, int wake_fd,
			struct ramjet_error *err)
{
	int rc = rj_recv_all(fd, body, frame->payload_bytes, deadline_ns,
			     wake_fd);

	if (rc)
		return rj_fail_errno(err, rc == -ENODATA ? -EPIPE : rc,
				     "handshake: receiving %s",
				     rj_frame_type_name(frame->type));
	return rj_frame_verify(header, frame, NULL, body, err);
}

int rj_hello_receive(int fd, struct rj_hello *ret, uint64_t deadline_ns,
		     int wake_fd, struct ramjet_error *err)
{
	uint8_t header[RJ_HEADER_BYTES], body[RJ_FAILED_BYTES_MAX];
	struct rj_frame frame;
	int rc;

	rc = rj_recv_all(fd, header, sizeof(header), deadline_ns, wake_fd);
	if (rc == -ENODATA)
		return rj_fail(err, rc, "handshake: the peer closed at once");
	if (rc)
		return rj_fail_errno(err, rc, "handshake: receiving HELLO");
	rc = rj_frame_decode(header, &frame, err);
	if (!rc && frame.type != RJ_FRAME_HELLO &&
	    frame.type != RJ_FRAME_FAILED)
		rc = rj_fail(err, -EPROTO, "a %s frame came, wanted HELLO",
			     rj_frame_type_name(frame.type));
	if (rc) {
		rj_error_prefix(err, "handshake, offset 0");
		return rc;
	}
	rc = receive_body(fd, header, &frame, body, deadline_ns, wake_fd, err);
	if (!rc && frame.type == RJ_FRAME_HELLO)
		return rj_hello_decode(body, frame.payload_bytes, ret, err);
	if (!rc) {
		struct ramjet_error theirs = { 0 };

		rc = rj_failed_decode(body, frame.payload_bytes, &theirs, err);
		if (!rc)
			rc = rj_fail(err, theirs.code, "peer: %s",
				     theirs.message);
	}
	return rc;
}
