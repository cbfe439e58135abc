/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_TINY_GUEST_H
#define RJ_TESTS_TINY_GUEST_H
/*
 * A tiny VM with a block of memory in several slots, and a dirty source under
 * test. Neither begin nor end of some slots lies on a word of the bitmap,
 * there are holes between them, and the block's order is not the guest's.
 * Functions without a result fail the test when they fail.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "dirty/source.h"
#include "ramjet-dirty.h"
#include "ramjet-kvm.h"
#include "tests/unit/dirty/tiny_vm.h"

#define GUEST_PAGES 2048u
#define GUEST_SLOTS 4u

extern const struct ramjet_kvm_slot guest_slots[GUEST_SLOTS];
/* Pages at the edges of slots and words. */
#define GUEST_EDGES 18u
extern const uint64_t guest_edges[GUEST_EDGES];

struct guest {
	struct tiny_vm vm;
	struct ramjet_dirty_region region; /* "ram0" */
	struct ramjet_dirty_source *source;
	struct rj_dirty_set set;
	struct rj_bitmap map;
	struct ramjet_error err;
};

/* Skips the test where there is no KVM. The source is the caller's to make. */
void guest_make(struct guest *guest, uint32_t ring_bytes);
void guest_free(struct guest *guest);
/* rc must be 0, else guest->err is told. */
void guest_check(const struct guest *guest, int rc);

/* Starts and arms all. */
int guest_start(struct guest *guest);
int guest_arm(struct guest *guest, uint64_t first_page, uint64_t page_count);
/* Returns what was newly marked in guest->map. */
uint64_t guest_collect(struct guest *guest);
/* What a worker does: claim each chunk, rearm it, read its pages into copy[]
 * (may be NULL). Returns how many pages. */
uint64_t guest_take(struct guest *guest, uint32_t *copy);

/* The vCPU writes one page of the block. */
void guest_write(struct guest *guest, unsigned vcpu, uint64_t page);
void guest_write_edges(struct guest *guest);
/* Exactly the edges are marked in guest->map. */
void guest_check_edges(const struct guest *guest);
uint32_t guest_page_value(const struct guest *guest, uint64_t page);

/* Threads that run the vCPUs, which write all slots over and over. */
struct guest_writer {
	struct guest *guest;
	unsigned vcpu;
	pthread_t thread;
	_Atomic bool stop;
	_Atomic unsigned passes; /* through a slot */
	bool worked;
};
struct guest_writers {
	struct guest_writer vcpus[TINY_VCPUS];
};
void guest_writers_start(struct guest_writers *writers, struct guest *guest);
/* All vCPUs have written all slots many times. */
bool guest_writers_busy(struct guest_writers *writers);
void guest_writers_stop(struct guest_writers *writers);
#endif
