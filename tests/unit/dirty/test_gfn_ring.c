/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Harvesting against a kernel played by the test: it appends entries, stops
 * short of the full ring (or does not), and frees what was flagged.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/kvm/gfn_ring.h"

#define ENTRIES  256u
#define KEPT     64u /* entries the kernel keeps back */
#define MESSAGES 300000u

struct kernel {
	struct kvm_dirty_gfn entries[ENTRIES];
	uint64_t made;           /* the vCPU's */
	_Atomic uint64_t resets; /* how many entries were freed */
};

static _Atomic uint32_t *flags_at(struct kernel *k, uint64_t index)
{
	return (_Atomic uint32_t *)&k->entries[index % ENTRIES].flags;
}

/* Never waits, whatever it overwrites. */
static void push(struct kernel *k, uint32_t slot, uint64_t offset)
{
	struct kvm_dirty_gfn *entry = &k->entries[k->made % ENTRIES];

	entry->slot = slot;
	entry->offset = offset;
	atomic_store_explicit(flags_at(k, k->made), KVM_DIRTY_GFN_F_DIRTY,
			      memory_order_release);
	k->made++;
}

/* At most `limit` entries, as when a signal comes in between. */
static uint64_t reset(struct kernel *k, uint64_t limit)
{
	uint64_t at = atomic_load(&k->resets);
	uint64_t count = 0;

	while (count < limit &&
	       atomic_load_explicit(flags_at(k, at), memory_order_acquire) &
		       KVM_DIRTY_GFN_F_RESET) {
		atomic_store(flags_at(k, at), 0);
		at++;
		count++;
	}
	atomic_store(&k->resets, at);
	return count;
}

/* A ring that was used before: `at` entries have come and gone. */
static void begin(struct kernel *k, struct rj_gfn_ring *ring, uint64_t at)
{
	memset(k, 0, sizeof(*k));
	k->made = at;
	k->resets = at;
	*ring = (struct rj_gfn_ring){ .entries = k->entries, .count = ENTRIES };
}

struct seen {
	uint64_t runs;
	uint64_t pages;
	uint64_t next; /* pages come in order */
	bool disorder;
};

static void see(void *user, uint32_t slot, uint64_t first, uint64_t count)
{
	struct seen *s = user;

	s->disorder |= slot != 7 || first != s->next;
	s->next = first + count;
	s->pages += count;
	s->runs++;
}

static void the_place_is_found_wherever_it_is(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < 2 * ENTRIES; at++) {
		struct seen seen = { 0 };
		struct rj_gfn_ring ring;
		struct kernel k;

		begin(&k, &ring, at);
		assert_int_equal(rj_gfn_ring_harvest(&ring, see, &seen), 0);
		for (uint64_t i = 0; i < ENTRIES - KEPT; i++)
			push(&k, 7, i);
		assert_int_equal(rj_gfn_ring_harvest(&ring, see, &seen),
				 ENTRIES - KEPT);
		assert_int_equal(seen.pages, ENTRIES - KEPT);
		assert_int_equal(seen.runs, 1);
		assert_false(seen.disorder);
		assert_int_equal(reset(&k, ENTRIES), ENTRIES - KEPT);
		assert_int_equal(rj_gfn_ring_harvest(&ring, see, &seen), 0);
	}
}

static void runs_end_where_pages_or_slots_do(void **state)
{
	struct seen seen = { 0 };
	struct rj_gfn_ring ring;
	struct kernel k;

	(void)state;
	begin(&k, &ring, 200);
	push(&k, 7, 5);
	push(&k, 7, 6);
	push(&k, 8, 7);
	push(&k, 7, 8);
	push(&k, 7, 8);
	push(&k, 7, 7);
	assert_int_equal(rj_gfn_ring_harvest(&ring, see, &seen), 6);
	assert_int_equal(seen.runs, 5);
	assert_int_equal(seen.pages, 6);
}

static void an_overrun_is_told(void **state)
{
	(void)state;
	for (unsigned known = 0; known < 2; known++) {
		struct seen seen = { 0 };
		struct rj_gfn_ring ring;
		struct kernel k;

		begin(&k, &ring, 33);
		if (known) {
			push(&k, 7, 0);
			assert_int_equal(rj_gfn_ring_harvest(&ring, see, &seen),
					 1);
			assert_int_equal(reset(&k, ENTRIES), 1);
		}
		for (uint64_t i = 0; i < ENTRIES + 5; i++)
			push(&k, 7, i);
		assert_int_equal(rj_gfn_ring_harvest(&ring, see, &seen),
				 -EOVERFLOW);
	}
}

/* The ring is overrun just when all of it was flagged. */
static void overrun(void *user, RJ_UNUSED uint32_t slot,
		    RJ_UNUSED uint64_t first, RJ_UNUSED uint64_t count)
{
	for (unsigned i = 0; i < KEPT + 3; i++)
		push(user, 7, i);
}

static void an_overrun_during_the_harvest_stops_the_reset(void **state)
{
	struct rj_gfn_ring ring;
	struct kernel k;

	(void)state;
	begin(&k, &ring, 0);
	for (uint64_t i = 0; i < ENTRIES - KEPT; i++)
		push(&k, 7, i);
	assert_int_equal(rj_gfn_ring_harvest(&ring, overrun, &k),
			 ENTRIES - KEPT);
	assert_int_equal(reset(&k, ENTRIES), 0);
}

static void *vcpu_main(void *user)
{
	struct kernel *k = user;

	for (uint64_t i = 0; i < MESSAGES; i++) {
		while (k->made - atomic_load(&k->resets) >= ENTRIES - KEPT)
			(void)sched_yield();
		push(k, 7, i);
	}
	return NULL;
}

static void every_entry_comes_once_and_in_order(void **state)
{
	struct seen seen = { 0 };
	struct rj_gfn_ring ring;
	struct kernel k;
	pthread_t vcpu;
	unsigned turn = 0;

	(void)state;
	begin(&k, &ring, 100);
	assert_int_equal(pthread_create(&vcpu, NULL, vcpu_main, &k), 0);
	while (seen.pages < MESSAGES) {
		int64_t left = rj_gfn_ring_harvest(&ring, see, &seen);

		assert_true(left >= 0);
		while (left)
			left -= (int64_t)reset(&k, 1 + turn++ % 50);
	}
	assert_int_equal(pthread_join(vcpu, NULL), 0);
	assert_false(seen.disorder);
	assert_int_equal(seen.pages, MESSAGES);
	assert_int_equal(rj_gfn_ring_harvest(&ring, see, &seen), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_place_is_found_wherever_it_is),
		cmocka_unit_test(runs_end_where_pages_or_slots_do),
		cmocka_unit_test(an_overrun_is_told),
		cmocka_unit_test(an_overrun_during_the_harvest_stops_the_reset),
		cmocka_unit_test(every_entry_comes_once_and_in_order),
	};

	return cmocka_run_group_tests_name("gfn_ring", tests, NULL, NULL);
}
