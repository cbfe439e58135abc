/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_VMSTATE_H
#define RJ_DBUS_VMSTATE_H
/*
 * The VMM's side of org.qemu.VMState1: what the engine uses. One handle is
 * one connection to one guest's bus, used by one thread at a time (the
 * control thread). No call waits longer than its deadline, and every waiting
 * one ends with -ECANCELED when wake_fd becomes readable.
 *
 * Two ways to run an operation:
 *   simple  rj_helpers_save_all(), rj_helpers_load_all()
 *   polled  rj_helpers_begin_save(), then poll what rj_helpers_poll() says
 *           beside other things and call rj_helpers_process() until it
 *           returns 1, then rj_helpers_finish_save()
 * A failed operation leaves the handle usable, unless the bus was lost.
 *
 * present.c and results.c do it. Without libsystemd absent.c does, where every
 * function fails with -EOPNOTSUPP.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "dbus/options.h"
#include "ramjet-helper.h"
#include "util/compiler.h"
#include "util/log.h"

struct rj_helpers;

/* Built with D-Bus at all. */
bool rj_helpers_supported(void);

/*
 * Connect, discover, and refuse what cannot work: for both sides at start.
 * `log` (NULL ok) is borrowed until rj_helpers_free(); `wake_fd` (eventfd, or
 * -1) likewise. Bounded by options->start_timeout_ms.
 */
RJ_NODISCARD int rj_helpers_open(const struct ramjet_helper_options *options,
				 const struct rj_log *log, int wake_fd,
				 struct rj_helpers **ret,
				 struct ramjet_error *err);
void rj_helpers_free(struct rj_helpers *helpers);

/* How many take part. */
size_t rj_helpers_count(const struct rj_helpers *helpers);

/* Without waiting: fails when a participant has left (-ENXIO) or the bus is
 * lost (-ENOTCONN). Call now and then while memory moves: it also keeps the
 * connection drained. */
RJ_NODISCARD int rj_helpers_check(struct rj_helpers *helpers,
				  struct ramjet_error *err);

/* ---- the source ------------------------------------------------------ */

/* Second discovery, then Save of everybody. deadline_ns (rj_now_ns() scale,
 * 0: none) can only shorten the options' own deadlines. */
RJ_NODISCARD int rj_helpers_begin_save(struct rj_helpers *helpers,
				       uint64_t deadline_ns,
				       struct ramjet_error *err);
/* 1: done; 0: poll and call again; else the failure, the operation is over. */
RJ_NODISCARD int rj_helpers_process(struct rj_helpers *helpers,
				    struct ramjet_error *err);
/* Give up an operation under way (a switchover called off, a cancel seen
 * elsewhere): its answers are ignored, a new one may begin. NULL ok. */
void rj_helpers_abort(struct rj_helpers *helpers);
/* What to wait for, and until when at the latest. */
RJ_NODISCARD int rj_helpers_poll(struct rj_helpers *helpers, struct pollfd *ret,
				 uint64_t *ret_deadline_ns);
/* After rj_helpers_process() returned 1. The blob (dbus/blob.h) is
 * *returned*, to be free()d. */
RJ_NODISCARD int rj_helpers_finish_save(struct rj_helpers *helpers,
					void **ret_blob, size_t *ret_bytes,
					struct ramjet_error *err);
/* The three above in one. */
RJ_NODISCARD int rj_helpers_save_all(struct rj_helpers *helpers,
				     uint64_t deadline_ns, void **ret_blob,
				     size_t *ret_bytes,
				     struct ramjet_error *err);
/* Save once while the guest runs, to learn sizes and times; the states are
 * thrown away. */
RJ_NODISCARD int rj_helpers_rehearse(struct rj_helpers *helpers,
				     uint64_t deadline_ns,
				     struct ramjet_error *err);

/* ---- the target ------------------------------------------------------ */

/*
 * Would this blob find its helpers? With what is known, without asking the
 * bus. `helpers` NULL: none are configured here, so only an empty blob does.
 * 0 bytes of blob are an empty blob: nothing arrives.
 */
RJ_NODISCARD int rj_helpers_check_arriving(struct rj_helpers *helpers,
					   const void *blob, size_t bytes,
					   struct ramjet_error *err);
/* Second discovery, the check above, and only then Load of everybody. `blob`
 * is borrowed until return. */
RJ_NODISCARD int rj_helpers_load_all(struct rj_helpers *helpers,
				     const void *blob, size_t bytes,
				     uint64_t deadline_ns,
				     struct ramjet_error *err);

/* ---- results --------------------------------------------------------- */

struct rj_helper_result {
	char id[256];
	char bus_name[256];
	uint64_t bytes;   /* of state */
	uint64_t save_us; /* 0: not called */
	uint64_t load_us;
	bool loaded;
	bool left_alone; /* target: nothing arrived for it */
};
/* Of the newest operation, ordered by Id; *returned*, to be free()d. */
RJ_NODISCARD int rj_helpers_results(const struct rj_helpers *helpers,
				    struct rj_helper_result **ret,
				    size_t *ret_count);
/* The newest Save or Load of all, from its beginning to its last reply, with
 * the second discovery; and how much of it the slowest helper took. */
void rj_helpers_times(const struct rj_helpers *helpers, uint64_t *ret_whole_us,
		      uint64_t *ret_slowest_us);
#endif
