/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/sweep/fault.h"

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include "util/thread.h"

#define NAP_NS 2000000

/* Changed only while no migration is alive; a helper's thread may look. The place
 * is set last. */
static _Atomic enum fault_place armed_place;
static _Atomic enum fault_kind armed_kind;
static _Atomic uint64_t armed_at;

static _Atomic uint64_t steps;
static atomic_bool fired;
static _Thread_local bool is_inside;

void fault_arm(enum fault_place place, enum fault_kind kind, uint64_t at)
{
	atomic_store(&steps, 0);
	atomic_store(&fired, false);
	armed_kind = kind;
	armed_at = at;
	armed_place = place;
}

uint64_t fault_disarm(bool *ret_fired)
{
	armed_place = FAULT_NOWHERE;
	*ret_fired = atomic_load(&fired);
	return atomic_load(&steps);
}

bool fault_is_armed(enum fault_place place)
{
	return armed_place == place;
}

enum fault_kind fault_step(enum fault_place place)
{
	uint64_t step;

	if (place != armed_place)
		return FAULT_NONE;
	step = 1 + atomic_fetch_add(&steps, 1);
	if (!armed_at || step < armed_at ||
	    (step > armed_at && armed_kind != FAULT_DRY))
		return FAULT_NONE;
	atomic_store(&fired, true);
	return armed_kind == FAULT_DRY ? FAULT_ERROR : armed_kind;
}

enum fault_kind fault_own_step(enum fault_place place)
{
	if (place != armed_place || (!is_inside && !rj_thread_owner()))
		return FAULT_NONE;
	return fault_step(place);
}

void fault_enter(void)
{
	is_inside = true;
}

void fault_leave(void)
{
	is_inside = false;
}

void fault_nap(void)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };

	(void)nanosleep(&nap, NULL);
}
