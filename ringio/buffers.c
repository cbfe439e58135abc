/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/buffers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "ringio/zero_copy.h"

void rj_buffers_done(struct rj_buffers *buffers)
{
	free(buffers->bytes);
	*buffers = (struct rj_buffers){ 0 };
}

/* A table of empty places: filling one later does not stop the ring. */
static int make_table(struct rj_buffers *buffers, struct io_uring *ring)
{
	int rc;

	if (buffers->bytes)
		return 0;
	buffers->bytes = calloc(RJ_CHANNEL_BUFFERS_MAX, sizeof(size_t));
	if (!buffers->bytes)
		return -ENOMEM;
	rc = io_uring_register_buffers_sparse(ring, RJ_CHANNEL_BUFFERS_MAX);
	if (rc)
		rj_buffers_done(buffers);
	/* EINVAL is an older kernel's way of saying it. */
	return rc == -EINVAL ? -EOPNOTSUPP : rc;
}

static int find_place(const struct rj_buffers *buffers)
{
	for (unsigned i = 0; i < buffers->in_use; i++)
		if (!buffers->bytes[i])
			return (int)i;
	return buffers->in_use < RJ_CHANNEL_BUFFERS_MAX ? (int)buffers->in_use
							: -ENOSPC;
}

static int update(struct io_uring *ring, int buffer, void *base, size_t bytes)
{
	const struct iovec iov = { base, bytes };
	__u64 tag = 0;
	int rc = io_uring_register_buffers_update_tag(ring, (unsigned)buffer,
						      &iov, &tag, 1);

	return rc < 0 ? rc : rc == 1 ? 0 : -EIO;
}

int rj_buffers_add(struct rj_buffers *buffers, struct io_uring *ring,
		   void *base, size_t bytes)
{
	int rc = make_table(buffers, ring);
	int place;

	if (rc)
		return rc;
	place = find_place(buffers);
	if (place < 0)
		return place;
	rc = update(ring, place, base, bytes);
	if (rc)
		return rc;
	buffers->bytes[place] = bytes;
	if ((unsigned)place == buffers->in_use)
		buffers->in_use++;
	return place;
}

size_t rj_buffers_remove(struct rj_buffers *buffers, struct io_uring *ring,
			 int buffer)
{
	size_t bytes;

	assert(buffer >= 0 && (unsigned)buffer < buffers->in_use);
	bytes = buffers->bytes[buffer];
	assert(bytes);
	/* It pins nothing, so only a sandbox would refuse it. Then the place is
	 * lost, and its memory stays pinned until the ring is closed. */
	if (update(ring, buffer, NULL, 0))
		return 0;
	buffers->bytes[buffer] = 0;
	return bytes;
}
