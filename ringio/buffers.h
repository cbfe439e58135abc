/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_BUFFERS_H
#define RJ_RINGIO_BUFFERS_H
/* The registered buffers of a ring, added and taken away one by one. Zeroed:
 * none yet, and nothing allocated. */
#include <liburing.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

struct rj_buffers {
	size_t *bytes;   /* of each; 0: free */
	unsigned in_use; /* none beyond these */
};

/* Safe on a zeroed struct. The ring itself lets go when it is closed. */
void rj_buffers_done(struct rj_buffers *buffers);
/* As rj_channel_register(). */
RJ_NODISCARD int rj_buffers_add(struct rj_buffers *buffers,
				struct io_uring *ring, void *base,
				size_t bytes);
/* Returns how many bytes were let go: all it had, or 0 where the kernel refuses;
 * its number is then not given again. */
size_t rj_buffers_remove(struct rj_buffers *buffers, struct io_uring *ring,
			 int buffer);
#endif
