/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_ZERO_COPY_H
#define RJ_RINGIO_ZERO_COPY_H
/*
 * Zero copy: io_uring over TCP only. A registered buffer is memory that is
 * pinned, so that long stretches of it can be sent as they are. It keeps the
 * very pages it was made of: when others are mapped in their place (after a
 * discard), it must be unregistered, or old content would be sent.
 */
#include <stddef.h>
#include <stdint.h>

/* Of the kernel's 16384 for a ring; chosen: 4 TiB in the largest it takes. */
#define RJ_CHANNEL_BUFFERS_MAX      4096u
#define RJ_CHANNEL_BUFFER_BYTES_MAX ((size_t)1 << 30) /* the kernel's */
/* How an entry is sent, where it is not the number of a buffer. */
#define RJ_CHANNEL_PLAIN        (-1)
#define RJ_CHANNEL_UNREGISTERED (-2) /* zero copy, pinned for this send */

struct rj_channel_zero_copy {
	uint64_t sends;
	uint64_t copied;       /* of these, the kernel copied after all */
	uint64_t pinned_bytes; /* registered now */
	unsigned pending;      /* sends whose memory the kernel still holds */
	int refused;           /* why it is over: negative errno; 0: it isn't */
};
#endif
