/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/receive/bounce.h"

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

int rj_bounce_write_behind(struct rj_bounce *bounce, unsigned worker)
{
	return rj_write_behind_start(&bounce->behind, worker);
}

void rj_bounce_done(struct rj_bounce *bounce)
{
	rj_write_behind_stop(&bounce->behind);
	for (unsigned i = 0; i < 2; i++) {
		free(bounce->buffers[i].data);
		bounce->buffers[i].data = NULL;
	}
}

static void add_buffered(struct rj_bounce *bounce, struct piece *piece,
			 uint8_t *host, size_t bytes)
{
	struct rj_bounce_buffer *buffer = &bounce->buffers[bounce->filling];

	buffer->writes[piece->writes++] = (struct iovec){ host, bytes };
	bounce->iov[piece->count++] = (struct iovec){
		buffer->data + piece->buffered,
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

static int have_buffer(struct rj_bounce *bounce, struct ramjet_error *err)
{
	struct rj_bounce_buffer *buffer = &bounce->buffers[bounce->filling];

	if (!buffer->data)
		buffer->data = calloc(1, RJ_BOUNCE_BYTES);
	return buffer->data ? 0 : rj_fail(err, -ENOMEM, "out of memory");
}

/* Write the buffer, or have it written: then the other one is next. */
static int write_out(struct rj_bounce *bounce, struct rj_first_touch *touch,
		     unsigned writes, struct ramjet_error *err)
{
	const struct rj_bounce_buffer *buffer =
		&bounce->buffers[bounce->filling];
	const struct rj_write_job job = { touch, buffer->writes, writes,
					  buffer->data };

	if (!writes)
		return 0;
	if (!bounce->behind.side.started)
		return rj_first_touch_write(touch, job.parts, job.count,
					    job.data, err);
	bounce->filling = !bounce->filling;
	return rj_write_behind_submit(&bounce->behind, &job, err);
}

int rj_bounce_receive(struct rj_bounce *bounce, struct rj_channel *channel,
		      struct rj_first_touch *touch,
		      const struct rj_scatter *scatter, struct iovec next,
		      struct rj_payload_sum *sum, struct ramjet_error *err)
{
	struct position at = { 0 };
	int rc = 0;

	while (!rc && at.index < scatter->count) {
		struct piece piece;

		rc = have_buffer(bounce, err);
		if (rc)
			break;
		piece = next_piece(bounce, scatter, &at);
		rj_payload_sum_note(sum, bounce->iov, piece.count);
		if (at.index == scatter->count)
			bounce->iov[piece.count++] = next;
		rc = rj_channel_recv(channel, bounce->iov, piece.count);
		if (rc)
			break;
		rc = rj_target_memory_sum(touch->block, sum, err);
		if (rc)
			break;
		rc = write_out(bounce, touch, piece.writes, err);
	}
	return rc;
}

int rj_bounce_flush(struct rj_bounce *bounce, struct ramjet_error *err)
{
	return bounce->behind.side.started
		       ? rj_write_behind_flush(&bounce->behind, err)
		       : 0;
}
