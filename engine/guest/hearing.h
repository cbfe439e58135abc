/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GUEST_HEARING_H
#define RJ_ENGINE_GUEST_HEARING_H
/*
 * How what the VMM says of pages reaches whoever moves the guest.
 *
 * Goal      A vCPU or balloon thread tells, and never waits: no lock is on its
 *           way, whoever begins or ends a migration meanwhile.
 * Calls     Each counts itself in the phase it begins in, and out again when it
 *           ends: two atomic additions. One word holds phase and count, so no
 *           call can begin in a phase that is over.
 * Changes   Who takes the listener away, or seals, does that first, begins
 *           another phase, and then waits for the calls that had begun in the
 *           one before: these may have seen how it was. All later ones see how
 *           it is. Only he waits, for what some atomic ORs take.
 * Sealing   is thus exact: a call has been heard before has_more() is asked, or
 *           it is refused.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/wire/wire.h"
#include "util/compiler.h"

/* Whoever moves the guest hears what the VMM says of its pages: from any
 * threads, several at once. May not wait for anything. */
struct rj_page_listener {
	/* They were written, by whom no dirty source can see. */
	void (*mark)(void *user, unsigned block, uint64_t first_page,
		     uint64_t pages);
	/* Their content is of no use any more. */
	void (*discard)(void *user, unsigned block, uint64_t first_page,
			uint64_t pages);
	/* Is something left to send? */
	bool (*has_more)(void *user);
};

struct rj_hearing {
	_Atomic uint64_t begun;    /* phase << 63 | calls begun in it */
	_Atomic uint64_t ended[2]; /* calls, by phase */
	_Atomic(const struct rj_page_listener *) listener; /* or NULL */
	void *user; /* changes only while there is no listener, and no call */
	_Atomic bool sealed; /* handed over: marks come too late */
	/* The first `count` stay as they are once that is written: blocks are
	 * taken away only while nobody tells. */
	_Atomic unsigned count;
	uint64_t bytes[RJ_BLOCKS_MAX];
};

enum rj_note {
	RJ_NOTE_MARK,
	RJ_NOTE_DISCARD,
};

/* ---- any thread, and no lock taken ---- */

/*
 * 0, also when nobody listens. -ENOENT: no such block. -ERANGE: it ends before,
 * *ret_bytes is its size. -EALREADY: sealed.
 */
RJ_NODISCARD int rj_hearing_tell(struct rj_hearing *hearing, enum rj_note note,
				 unsigned block, uint64_t offset,
				 uint64_t bytes, uint64_t *ret_bytes);

/* ---- one thread at a time: who owns the guest ---- */

/* One more block; at most RJ_BLOCKS_MAX (asserted). */
void rj_hearing_add_block(struct rj_hearing *hearing, uint64_t bytes);
/* No blocks any more. No call is under way, nor comes meanwhile. */
void rj_hearing_drop_blocks(struct rj_hearing *hearing);
/* From now on `listener` hears (NULL: nobody, and no call to the last one is
 * under way any more). Not one instead of another. */
void rj_hearing_listen(struct rj_hearing *hearing,
		       const struct rj_page_listener *listener, void *user);
/* From now on calls are refused. False, and nothing is sealed: something is
 * left to send. There must be a listener. */
RJ_NODISCARD bool rj_hearing_seal(struct rj_hearing *hearing);
void rj_hearing_unseal(struct rj_hearing *hearing);
#endif
