/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_KVM_SLOTS_H
#define RJ_DIRTY_KVM_SLOTS_H
/* The memory slots of a KVM VM, and where in the blocks they lie. */
#include <stdbool.h>
#include <stddef.h>

#include "ramjet-dirty.h"
#include "ramjet-kvm.h"
#include "util/compiler.h"

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
	bool logging;
};

struct rj_kvm_slots {
	int vm_fd;                 /* borrowed */
	struct rj_kvm_slot *slots; /* by region and first page, when placed */
	size_t count;
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
/* Switch KVM_MEM_LOG_DIRTY_PAGES on for all; what has been done stays done on
 * failure, until off. */
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
