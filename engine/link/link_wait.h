/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_LINK_WAIT_H
#define RJ_ENGINE_LINK_LINK_WAIT_H
#include "engine/link/link.h"

/* As rj_link_poll(), but waits until deadline_ns: 0 with a message, or an error. */
RJ_NODISCARD int rj_link_wait(struct rj_link *link, uint64_t deadline_ns,
			      struct rj_message *ret, struct ramjet_error *err);
#endif
