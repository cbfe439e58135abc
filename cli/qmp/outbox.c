/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qmp/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ROOM_FIRST 1024u

void rj_qmp_outbox_done(struct rj_qmp_outbox *o)
{
	free(o->bytes);
	*o = (struct rj_qmp_outbox){ 0 };
}

bool rj_qmp_outbox_is_empty(const struct rj_qmp_outbox *o)
{
	return o->begin == o->end;
}

static int make_room(struct rj_qmp_outbox *o, size_t count)
{
	size_t waiting = o->end - o->begin, room = o->room;
	char *bytes;

	if (o->begin) {
		memmove(o->bytes, o->bytes + o->begin, waiting);
		o->begin = 0;
		o->end = waiting;
	}
	if (room - waiting >= count)
		return 0;
	if (!room)
		room = ROOM_FIRST;
	while (room - waiting < count)
		room *= 2;
	bytes = realloc(o->bytes, room);
	if (!bytes)
		return -ENOMEM;
	o->bytes = bytes;
	o->room = room;
	return 0;
}

int rj_qmp_outbox_add(struct rj_qmp_outbox *o, const char *bytes, size_t count)
{
	size_t waiting = o->end - o->begin;
	int rc = 0;

	if (count > RJ_QMP_OUTBOX_BYTES_MAX - waiting)
		return -ENOBUFS;
	if (o->room - o->end < count)
		rc = make_room(o, count);
	if (rc)
		return rc;
	memcpy(o->bytes + o->end, bytes, count);
	o->end += count;
	return 0;
}

int rj_qmp_outbox_flush(struct rj_qmp_outbox *o, int fd)
{
	while (!rj_qmp_outbox_is_empty(o)) {
		ssize_t sent = send(fd, o->bytes + o->begin, o->end - o->begin,
				    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? 0 : -errno;
		o->begin += (size_t)sent;
	}
	o->begin = o->end = 0;
	return 0;
}
