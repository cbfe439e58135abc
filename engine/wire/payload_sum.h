/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_WIRE_PAYLOAD_SUM_H
#define RJ_ENGINE_WIRE_PAYLOAD_SUM_H
/*
 * The sum over a CHECKED frame's payload while it is received, in pieces and
 * to many places. A channel bends the iovec it receives into: so the pieces
 * are noted before, and added once they are there.
 */
#include <stdint.h>
#include <sys/uio.h>

#include "util/compiler.h"

struct rj_payload_sum;

/* NULL: out of memory. */
struct rj_payload_sum *rj_payload_sum_new(void);
/* Safe with NULL. */
void rj_payload_sum_free(struct rj_payload_sum *sum);
/* A payload begins. */
void rj_payload_sum_begin(struct rj_payload_sum *sum);
/* What is received next comes here; at most RJ_RUNS_MAX pieces. With NULL, as
 * the next one, nothing happens. */
void rj_payload_sum_note(struct rj_payload_sum *sum, const struct iovec *iov,
			 unsigned count);
/* It is there. */
void rj_payload_sum_add(struct rj_payload_sum *sum);
/* Of all that was added since the beginning. */
uint64_t rj_payload_sum_value(const struct rj_payload_sum *sum);
#endif
