/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_REMOTE_LIFTER_H
#define RJ_DIRTY_REMOTE_LIFTER_H
/*
 * A thread that lifts the write protection of pages somebody waits to write to,
 * where the kernel does not do it by itself (before Linux 6.7). What has lost its
 * protection is found in the page table.
 *
 * Whoever writes waits for it. Should this process end, the last descriptor of the
 * userfaultfd is closed, and all go on; should it be stopped (SIGSTOP), they wait.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "ramjet.h"
#include "util/compiler.h"

/* Bytes of the page at this address, a power of two: protection of a huge page of
 * hugetlb is lifted as a whole. */
typedef uint64_t rj_lifter_unit_fn(const void *user, uint64_t address);

struct rj_lifter {
	/* immutable while it runs */
	bool running;
	int uffd;
	int stop_fd; /* eventfd */
	rj_lifter_unit_fn *unit;
	const void *user;
	pthread_t thread;
	/* Pages lifted; counts up. Relaxed, a figure. */
	_Atomic uint64_t lifted;
	/* Why it gave up, a negative errno. Release, by the thread; acquire. */
	_Atomic int failure;
};

/* `uffd` is made nonblocking. */
RJ_NODISCARD int rj_lifter_start(struct rj_lifter *lifter, int uffd,
				 rj_lifter_unit_fn *unit, const void *user,
				 struct ramjet_error *err);
/* Nobody must wait any more: after rj_wp_unregister() of all. Safe on a zeroed
 * struct. */
void rj_lifter_stop(struct rj_lifter *lifter);
#endif
