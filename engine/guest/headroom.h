/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GUEST_HEADROOM_H
#define RJ_ENGINE_GUEST_HEADROOM_H
/*
 * Is there memory left for what arrives? Sparse guests may be larger than the
 * machine, or than the control group this process is in: what counts is what
 * arrives. A failure with a name, and the source's guest runs on, is better
 * than to be killed by the kernel.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <sys/uio.h>

#include "engine/guest/guest.h"
#include "util/compiler.h"

struct rj_headroom {
	const char *root; /* "", but for tests: see util/memory_limit.h */
	uint64_t margin;  /* bytes that must be left over */
	/* Bytes that may arrive before the next look. Relaxed: which worker
	 * looks, and a frame earlier or later, does not matter. */
	_Atomic int64_t until_look;
};

/* `workers`: each may be in the middle of a frame when one of them looks. */
void rj_headroom_init(struct rj_headroom *room, unsigned workers);
/* These parts of the block are going to be written (others may be among them,
 * which are there). -ENOMEM, with the figures, when some are not there yet and
 * would not fit. Any thread. */
RJ_NODISCARD int rj_headroom_take(struct rj_headroom *room,
				  const struct rj_block *block,
				  const struct iovec *parts, unsigned count,
				  struct ramjet_error *err);
#endif
