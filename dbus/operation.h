/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_OPERATION_H
#define RJ_DBUS_OPERATION_H
/*
 * One operation on all helpers: discover, judge, then call. Every step is
 * taken in rj_operation_process(), which never waits.
 *
 *   start  DISCOVERING -> IDLE
 *   save   DISCOVERING -> CALLING -> IDLE, states held
 *   load   DISCOVERING -> CALLING -> IDLE
 */
#include "dbus/handle.h"

/* -EBUSY while another is under way. deadline_ns as for
 * rj_helpers_begin_save(). */
RJ_NODISCARD int rj_operation_begin(struct rj_helpers *helpers,
				    enum rj_helpers_purpose purpose,
				    uint64_t deadline_ns,
				    struct ramjet_error *err);
/* As rj_helpers_process(). */
RJ_NODISCARD int rj_operation_process(struct rj_helpers *helpers,
				      struct ramjet_error *err);
/* As rj_helpers_poll(). */
RJ_NODISCARD int rj_operation_poll(struct rj_helpers *helpers,
				   struct pollfd *ret,
				   uint64_t *ret_deadline_ns);
/* Process until it is over, waiting in between. */
RJ_NODISCARD int rj_operation_finish(struct rj_helpers *helpers,
				     struct ramjet_error *err);
/* The whole start: discover the helpers, and decide which of them take part. */
RJ_NODISCARD int rj_operation_discover(struct rj_helpers *helpers,
				       struct ramjet_error *err);
/* As rj_helpers_abort(). */
void rj_operation_abort(struct rj_helpers *helpers);
#endif
