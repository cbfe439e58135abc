/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_KVM_SLOTS_H
#define RJ_DIRTY_KVM_SLOTS_H
/* The memory slots of a KVM VM, and where in the blocks they lie. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "ramjet-dirty.h"
#include "ramjet-kvm.h"
#include "util/compiler.h"
#include "util/mutex.h"

struct rj_kvm_slot {
	/* immutable after rj_kvm_slots_init() */
	uint32_t slot;
	uint32_t flags;
	uint64_t guest_phys_addr;
	uint64_t page_count;
	uint64_t first_page; /* in the block */
	char *block;
	/* set by rj_kvm_slots_place() */
	unsigned region;
	uint8_t *host;
	uint64_t reach; /* where the slots up to this one of the region end */
	/* Release by who switched it on, partner: acquire in
	 * rj_kvm_slot_logs(). */
	_Atomic bool logging;
};

/* Where in the array the slot of a number is. */
struct rj_kvm_number {
	uint32_t number;
	size_t index;
};

struct rj_kvm_slots {
	int vm_fd;                 /* borrowed */
	struct rj_kvm_slot *slots; /* by region and first page, when placed */
	size_t count;
	struct rj_kvm_number *numbers; /* in order, when placed */
	struct rj_mutex switching; /* lock order: 7; a slot's log on or off */
};

/* Copies and checks the slots. */
RJ_NODISCARD int rj_kvm_slots_init(struct rj_kvm_slots *slots, int vm_fd,
				   const struct ramjet_kvm_slot *from,
				   size_t count, struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_kvm_slots_done(struct rj_kvm_slots *slots);

/* Find the slots' blocks among the regions. */
RJ_NODISCARD int rj_kvm_slots_place(struct rj_kvm_slots *slots,
				    const struct ramjet_dirty_region *regions,
				    unsigned count, struct ramjet_error *err);
/* Of placed slots. NULL: no slot has that number. */
const struct rj_kvm_slot *rj_kvm_slots_numbered(
	const struct rj_kvm_slots *slots, uint32_t number);
/* The first placed slot that may have pages of a region from `first_page` on;
 * `count` if none has. Those that have lie from there on, among others. */
size_t rj_kvm_slots_find(const struct rj_kvm_slots *slots, unsigned region,
			 uint64_t first_page);
/* Pages of a region that a slot has, too: the slot's own numbers. */
struct rj_kvm_span {
	uint64_t first;
	uint64_t count; /* 0: none */
};
struct rj_kvm_span rj_kvm_slot_overlap(const struct rj_kvm_slot *slot,
				       unsigned region, uint64_t first_page,
				       uint64_t page_count);

/* Switch KVM_MEM_LOG_DIRTY_PAGES on, if it is not: from any thread. */
RJ_NODISCARD int rj_kvm_slot_log_on(struct rj_kvm_slots *slots,
				    struct rj_kvm_slot *slot,
				    struct ramjet_error *err);
bool rj_kvm_slot_logs(const struct rj_kvm_slot *slot);
/* For all; what has been done stays done on failure, until off. */
RJ_NODISCARD int rj_kvm_slots_log_on(struct rj_kvm_slots *slots,
				     struct ramjet_error *err);
void rj_kvm_slots_log_off(struct rj_kvm_slots *slots);

/* Enable an optional capability of the VM. Negative errno. */
RJ_NODISCARD int rj_kvm_enable_cap(int vm_fd, uint32_t cap, uint64_t arg);

/*
 * 64 bits from bit `from` on of words that hold `bit_count` bits; what lies
 * before bit 0 or past the end reads as 0.
 */
uint64_t rj_words_window(const uint64_t *words, uint64_t bit_count,
			 int64_t from);
#endif
