/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_SWEEP_FAULT_H
#define RJ_TESTS_SWEEP_FAULT_H
/*
 * One fault, at one step. Each decorator stands between ramjet and something it
 * asks, and counts what it is asked: that is a step. At the step that is armed,
 * and at no other (but for FAULT_DRY), it does what the fault's kind says.
 */
#include <stdbool.h>
#include <stdint.h>

enum fault_place {
	FAULT_NOWHERE,
	FAULT_CONN,        /* a send or receive of any connection */
	FAULT_CONN_IN,     /* a receive that brought something */
	FAULT_DIRTY,       /* an operation of the dirty source */
	FAULT_GUEST,       /* an operation of a guest, either side's */
	FAULT_MEMORY,      /* an operation of a block that is not mapped */
	FAULT_MEMORY_DATA, /* of these, one that moves content */
	FAULT_ALLOC,       /* memory is asked for */
	FAULT_FDS,         /* a descriptor is */
	FAULT_RING,        /* a ring is set up */
	FAULT_RING_WAIT,   /* one is waited for */
	FAULT_THREAD,      /* a thread is started */
	FAULT_BUS,         /* the bus of the guest's helpers is used */
	FAULT_HELPER,      /* a helper saves or loads */
};

enum fault_kind {
	FAULT_NONE,
	FAULT_ERROR,
	FAULT_SHORT, /* less is done than could be, and that is said */
	FAULT_DELAY, /* nothing is done for a moment */
	FAULT_FLIP,  /* a bit becomes another on its way */
	FAULT_CUT,   /* half of it is done, and then no more, ever (EPIPE) */
	FAULT_LOSE,  /* it is not done, and nobody is told */
	FAULT_DRY,   /* an error, at this step and all that follow */
};

/* Steps of `place` are counted from 1 from now on. `at` 0: only that. */
void fault_arm(enum fault_place place, enum fault_kind kind, uint64_t at);
/* No fault from now on: how many steps were counted. *ret_fired: it happened. */
uint64_t fault_disarm(bool *ret_fired);
bool fault_is_armed(enum fault_place place);

/* A step: what is to happen at it. Thread-safe. */
enum fault_kind fault_step(enum fault_place place);
/* The same of what everybody asks for: counts only in threads of ramjet's, and
 * between these two in the calling thread. */
enum fault_kind fault_own_step(enum fault_place place);
void fault_enter(void);
void fault_leave(void);

/* FAULT_DELAY. */
void fault_nap(void);
#endif
