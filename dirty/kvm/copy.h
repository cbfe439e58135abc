/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_KVM_COPY_H
#define RJ_DIRTY_KVM_COPY_H
/*
 * A copy of KVM's dirty log, made anew for each collect. KVM gives a slot's
 * bitmap as a whole only, and one slot at a time, while the members of a crew
 * want parts: whoever needs a slot first fetches it. Who comes meanwhile
 * fetches the next one, so that KVM always has something to copy, or waits.
 *
 * It takes 32 KiB a GiB of slots, each page of it allocated where it is touched
 * first: by who arms that memory, or else by the first collect.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirty/kvm/slots.h"
#include "util/compiler.h"
#include "util/mutex.h"

struct rj_kvm_slot_copy {
	uint64_t *words; /* immutable: where they are */
	/* The collect that they are of. Release by who fetched them, partner:
	 * acquire by who reads them. */
	_Atomic uint64_t collect;
	bool fetching; /* guarded by lock */
};

struct rj_kvm_copy {
	/* immutable after rj_kvm_copy_init() */
	const struct rj_kvm_slots *slots; /* borrowed */
	struct rj_kvm_slot_copy *copies;  /* one a slot */
	void *map;
	size_t map_bytes;
	uint64_t collect; /* counts; changed while nobody wants anything */

	struct rj_mutex lock; /* lock order: 7 */
	pthread_cond_t fetched;
	/* guarded by lock */
	bool ahead; /* somebody fetches what nobody has wanted yet */
	struct ramjet_error failure;
};

/* Of placed slots. -ENOMEM. */
RJ_NODISCARD int rj_kvm_copy_init(struct rj_kvm_copy *copy,
				  const struct rj_kvm_slots *slots,
				  struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_kvm_copy_done(struct rj_kvm_copy *copy);

/* From now on wanted slots are fetched again. While nobody wants any. */
void rj_kvm_copy_begin(struct rj_kvm_copy *copy);
/* Have the copy of the slot number `index`, which must be logged. From any
 * thread. */
RJ_NODISCARD int rj_kvm_copy_want(struct rj_kvm_copy *copy, size_t index,
				  struct ramjet_error *err);
/* Forget pages [first, first + count) of a slot, in the copy only. From any
 * thread, also while others fetch or read other pages. */
void rj_kvm_copy_forget(struct rj_kvm_copy *copy, size_t index, uint64_t first,
			uint64_t count);
#endif
