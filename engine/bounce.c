/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/bounce.h"

#include <errno.h>
#include <stdlib.h>

#include "util/error.h"

/* How far into the scattered runs we are. */
struct position {
	unsigned index;
	size_t skip;
};

/* What one receive takes. */
struct piece {
	unsigned count, writes;
	size_t buffered;
};

void rj_bounce_done(struct rj_bounce *bounce)
{
	free(bounce->buffer);
	bounce->buffer = NULL;
}

static void add_buffered(struct rj_bounce *bounce, struct piece *piece,
			 uint8_t *host, size_t bytes)
{
	bounce->writes[piece->writes++] = (struct iovec){ host, bytes };
	bounce->iov[piece->count++] = (struct iovec){
		bounce->buffer + piece->buffered,
		bytes,
	};
	piece->buffered += bytes;
}

/* From `at` on, as much as the buffer holds. */
static struct piece next_piece(struct rj_bounce *bounce,
			       const struct rj_scatter *scatter,
			       struct position *at)
{
	struct piece piece = { 0 };

	for (; at->index < scatter->count; at->index++, at->skip = 0) {
		const struct iovec *run = &scatter->iov[at->index];
		const size_t room = RJ_BOUNCE_BYTES - piece.buffered;
		size_t bytes = run->iov_len - at->skip;

		if (!scatter->untouched[at->index]) {
			bounce->iov[piece.count++] = *run;
			continue;
		}
		if (!room)
			break;
		if (bytes > room)
			bytes = room;
		add_buffered(bounce, &piece,
			     (uint8_t *)run->iov_base + at->skip, bytes);
		at->skip += bytes;
		if (at->skip < run->iov_len)
			break;
	}
	return piece;
}

int rj_bounce_receive(struct rj_bounce *bounce, struct rj_channel *channel,
		      struct rj_first_touch *touch,
		      const struct rj_scatter *scatter, struct iovec next,
		      struct ramjet_error *err)
{
	struct position at = { 0 };
	int rc = 0;

	if (!bounce->buffer)
		bounce->buffer = malloc(RJ_BOUNCE_BYTES);
	if (!bounce->buffer)
		return rj_fail(err, -ENOMEM, "out of memory");
	while (!rc && at.index < scatter->count) {
		struct piece piece = next_piece(bounce, scatter, &at);

		if (at.index == scatter->count)
			bounce->iov[piece.count++] = next;
		rc = rj_channel_recv(channel, bounce->iov, piece.count);
		if (!rc)
			rc = rj_first_touch_write(touch, bounce->writes,
						  piece.writes, bounce->buffer,
						  err);
	}
	return rc;
}
