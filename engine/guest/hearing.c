/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/guest/hearing.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "ramjet.h"
#include "util/bits.h"

#define PHASE_SHIFT 63u
#define COUNT_MASK  ((UINT64_C(1) << PHASE_SHIFT) - 1)

static unsigned phase_of(uint64_t begun)
{
	return (unsigned)(begun >> PHASE_SHIFT);
}

/* Returns the phase. */
static unsigned begin_call(struct rj_hearing *hearing)
{
	/* acquire: pairs with next_phase(): sees what was changed before it */
	return phase_of(atomic_fetch_add_explicit(&hearing->begun, 1,
						  memory_order_acquire));
}

static void end_call(struct rj_hearing *hearing, unsigned phase)
{
	/* release: pairs with await_calls() */
	atomic_fetch_add_explicit(&hearing->ended[phase], 1,
				  memory_order_release);
}

/* Sleeping, not yielding: who is in a call may have less priority than we. The
 * length is chosen: some times what a call takes, little beside a pause. */
static void sleep_briefly(void)
{
	static const struct timespec moment = { .tv_nsec = 20000 };

	(void)nanosleep(&moment, NULL);
}

/* Until all calls that have begun before this one have ended. */
static void await_calls(struct rj_hearing *hearing)
{
	/* relaxed: nobody else changes the phase */
	const unsigned old = phase_of(
		atomic_load_explicit(&hearing->begun, memory_order_relaxed));
	/* acq_rel: pairs with begin_call(), in either phase */
	const uint64_t begun =
		COUNT_MASK &
		atomic_exchange_explicit(&hearing->begun,
					 (uint64_t)!old << PHASE_SHIFT,
					 memory_order_acq_rel);

	/* acquire: pairs with end_call() */
	while (atomic_load_explicit(&hearing->ended[old],
				    memory_order_acquire) != begun)
		sleep_briefly();
	/* relaxed: nobody is in this phase before await_calls() comes again */
	atomic_store_explicit(&hearing->ended[old], 0, memory_order_relaxed);
}

static int hear(struct rj_hearing *hearing, enum rj_note note, unsigned block,
		uint64_t offset, uint64_t bytes)
{
	const uint64_t first = offset / RAMJET_PAGE_BYTES;
	const uint64_t pages =
		rj_div_round_up(offset + bytes, RAMJET_PAGE_BYTES) - first;
	const struct rj_page_listener *listener;

	/* relaxed: begin_call() has the order */
	if (atomic_load_explicit(&hearing->sealed, memory_order_relaxed))
		return -EALREADY;
	/* acquire: pairs with rj_hearing_listen(), for user */
	listener =
		atomic_load_explicit(&hearing->listener, memory_order_acquire);
	if (!listener || !bytes)
		return 0;
	if (note == RJ_NOTE_MARK)
		listener->mark(hearing->user, block, first, pages);
	else
		listener->discard(hearing->user, block, first, pages);
	return 0;
}

int rj_hearing_tell(struct rj_hearing *hearing, enum rj_note note,
		    unsigned block, uint64_t offset, uint64_t bytes,
		    uint64_t *ret_bytes)
{
	unsigned phase;
	int rc;

	/* acquire: pairs with rj_hearing_add_block() */
	if (block >=
	    atomic_load_explicit(&hearing->count, memory_order_acquire))
		return -ENOENT;
	if (offset > hearing->bytes[block] ||
	    bytes > hearing->bytes[block] - offset) {
		*ret_bytes = hearing->bytes[block];
		return -ERANGE;
	}
	phase = begin_call(hearing);
	rc = hear(hearing, note, block, offset, bytes);
	end_call(hearing, phase);
	return rc;
}

void rj_hearing_add_block(struct rj_hearing *hearing, uint64_t bytes)
{
	/* relaxed: nobody else adds */
	const unsigned count =
		atomic_load_explicit(&hearing->count, memory_order_relaxed);

	assert(count < RJ_BLOCKS_MAX);
	hearing->bytes[count] = bytes;
	/* release: pairs with rj_hearing_tell() */
	atomic_store_explicit(&hearing->count, count + 1, memory_order_release);
}

void rj_hearing_drop_blocks(struct rj_hearing *hearing)
{
	/* release: as above */
	atomic_store_explicit(&hearing->count, 0, memory_order_release);
}

void rj_hearing_listen(struct rj_hearing *hearing,
		       const struct rj_page_listener *listener, void *user)
{
	if (listener) {
		hearing->user = user;
		/* release: pairs with hear() */
		atomic_store_explicit(&hearing->listener, listener,
				      memory_order_release);
		return;
	}
	/* relaxed: await_calls() has the order */
	atomic_store_explicit(&hearing->listener, NULL, memory_order_relaxed);
	await_calls(hearing);
}

bool rj_hearing_seal(struct rj_hearing *hearing)
{
	/* relaxed: nobody else changes it */
	const struct rj_page_listener *listener =
		atomic_load_explicit(&hearing->listener, memory_order_relaxed);

	/* relaxed: await_calls() has the order */
	atomic_store_explicit(&hearing->sealed, true, memory_order_relaxed);
	await_calls(hearing);
	if (!listener->has_more(hearing->user))
		return true;
	rj_hearing_unseal(hearing);
	return false;
}

void rj_hearing_unseal(struct rj_hearing *hearing)
{
	/* relaxed: who is refused a moment longer belongs to what has ended */
	atomic_store_explicit(&hearing->sealed, false, memory_order_relaxed);
}
