/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/hello.h"

#include <errno.h>
#include <poll.h>

#include "engine/wire/bytes.h"
#include "ringio/endpoint.h"
#include "util/error.h"

int rj_hello_send(const struct rj_conn *conn, const struct rj_hello *hello,
		  uint64_t deadline_ns, int wake_fd, struct ramjet_error *err)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_HELLO,
		.payload_bytes = RJ_HELLO_BYTES,
	};
	uint8_t wire[RJ_HELLO_FRAME_BYTES];
	int rc;

	rj_hello_encode(hello, wire + RJ_HEADER_BYTES);
	rj_frame_encode(&frame, NULL, wire + RJ_HEADER_BYTES, wire);
	rc = rj_send_all(conn, wire, sizeof(wire), deadline_ns, wake_fd);
	if (rc)
		return rj_fail_errno(err, rc, "handshake: sending HELLO");
	return 0;
}

/* Until `wanted` bytes are there. 1: they are; 0: not yet. */
static int read_to(const struct rj_conn *conn, struct rj_hello_reader *reader,
		   size_t wanted)
{
	while (reader->have < wanted) {
		const ssize_t n =
			rj_conn_receive(conn, reader->wire + reader->have,
					wanted - reader->have);

		if (!n)
			return reader->have ? -EPIPE : -ENODATA;
		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		reader->have += (size_t)n;
	}
	return 1;
}

/* As read_to(), with an error message. */
static int read_part(const struct rj_conn *conn, struct rj_hello_reader *reader,
		     size_t wanted, struct ramjet_error *err)
{
	const int rc = read_to(conn, reader, wanted);

	if (rc == -ENODATA)
		return rj_fail(err, rc, "handshake: the peer closed at once");
	if (rc < 0)
		return rj_fail_errno(err, rc, "handshake: receiving HELLO");
	return rc;
}

/* Other software may greet with a few bytes, and then wait: so look at the
 * first bytes before the whole frame is there. */
static int judge_first_bytes(const struct rj_hello_reader *reader,
			     struct ramjet_error *err)
{
	const size_t have =
		reader->have < RJ_HEADER_BYTES ? reader->have : RJ_HEADER_BYTES;
	uint8_t magic[4];
	char said[RJ_HEADER_BYTES + 1];
	size_t length = 0;

	rj_put32(magic, RJ_WIRE_MAGIC);
	if (!have || !memcmp(reader->wire, magic, have < 4 ? have : 4))
		return 0;
	while (length < have && reader->wire[length] >= 0x20 &&
	       reader->wire[length] < 0x7f) {
		said[length] = (char)reader->wire[length];
		length++;
	}
	said[length] = '\0';
	if (length < 4)
		return rj_fail(err, -EPROTO,
			       "handshake, offset 0: bad magic 0x%08x, wanted "
			       "0x%08x: this is not a ramjet stream",
			       rj_get32(reader->wire), RJ_WIRE_MAGIC);
	return rj_fail(err, -EPROTO,
		       "handshake, offset 0: bad magic 0x%08x, wanted 0x%08x: "
		       "this is not a ramjet stream: it begins with \"%s\"",
		       rj_get32(reader->wire), RJ_WIRE_MAGIC, said);
}

static int judge_header(const uint8_t *header, struct rj_frame *ret,
			struct ramjet_error *err)
{
	int rc = rj_frame_decode(header, ret, err);

	if (!rc && ret->type != RJ_FRAME_HELLO && ret->type != RJ_FRAME_FAILED)
		rc = rj_fail(err, -EPROTO, "a %s frame came, wanted HELLO",
			     rj_frame_type_name(ret->type));
	if (rc)
		rj_error_prefix(err, "handshake, offset 0");
	return rc;
}

static int take_frame(const struct rj_hello_reader *reader,
		      const struct rj_frame *frame, struct rj_hello *ret,
		      struct ramjet_error *err)
{
	const uint8_t *body = reader->wire + RJ_HEADER_BYTES;
	struct ramjet_error theirs = { 0 };
	int rc = rj_frame_verify(reader->wire, frame, NULL, body, err);

	if (!rc && frame->type == RJ_FRAME_HELLO)
		return rj_hello_decode(body, frame->payload_bytes, ret, err);
	if (!rc)
		rc = rj_failed_decode(body, frame->payload_bytes, &theirs, err);
	if (!rc && theirs.code == -EPROTONOSUPPORT)
		return rj_fail(err, theirs.code,
			       "does not speak protocol version %u, as this "
			       "side does; it says: %s",
			       RJ_WIRE_VERSION, theirs.message);
	return rc ? rc : rj_fail(err, theirs.code, "peer: %s", theirs.message);
}

int rj_hello_read(const struct rj_conn *conn, struct rj_hello_reader *reader,
		  struct rj_hello *ret, struct ramjet_error *err)
{
	struct rj_frame frame;
	struct ramjet_error why = { 0 };
	int rc = read_part(conn, reader, RJ_HEADER_BYTES, &why);

	if (judge_first_bytes(reader, err))
		return -EPROTO;
	if (rc <= 0)
		return rc ? rj_fail(err, rc, "%s", why.message) : 0;
	/* Checked again for each piece that comes; there are few. */
	rc = judge_header(reader->wire, &frame, err);
	if (rc)
		return rc;
	rc = read_part(conn, reader, RJ_HEADER_BYTES + frame.payload_bytes,
		       err);
	if (rc <= 0)
		return rc;
	rc = take_frame(reader, &frame, ret, err);
	return rc ? rc : 1;
}

int rj_hello_receive(const struct rj_conn *conn, struct rj_hello *ret,
		     uint64_t deadline_ns, int wake_fd,
		     struct ramjet_error *err)
{
	struct rj_hello_reader reader = { 0 };
	int rc;

	while (!(rc = rj_hello_read(conn, &reader, ret, err))) {
		rc = rj_conn_wait(conn, POLLIN, deadline_ns, wake_fd);
		if (rc)
			return rj_fail_errno(err, rc,
					     "handshake: receiving HELLO");
	}
	return rc < 0 ? rc : 0;
}
