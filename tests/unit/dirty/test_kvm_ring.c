/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dirty/kvm/ring.h"
#include "dirty/kvm/trial.h"
#include "tests/unit/dirty/tiny_guest.h"

/* 65536 entries, which nothing here fills; 4096; and 1024, of which KVM should
 * keep some back. */
#define HUGE_RING  1048576u
#define LARGE_RING 65536u
#define SMALL_RING 16384u

/* How often at most more pages are written than a small ring has entries,
 * until they overrun it. */
#define OVERRUN_TRIES 1000u

static void on_full(void *user, unsigned vcpu)
{
	struct guest *g = user;
	struct ramjet_error err = { 0 };

	if (ramjet_dirty_kvm_ring_full(g->source, vcpu, &err))
		printf("# %s\n", err.message);
}

static int make_source(struct guest *g, uint32_t ring_bytes,
		       const struct ramjet_kvm_slot *slots, size_t count)
{
	struct ramjet_dirty_kvm_ring ring = {
		RAMJET_DIRTY_KVM_RING_INIT,
		.vm_fd = g->vm.vm_fd,
		.slots = slots,
		.slot_count = count,
		.vcpu_fds = g->vm.vcpu_fds,
		.vcpu_count = TINY_VCPUS,
		.ring_bytes = ring_bytes,
	};

	memset(&g->err, 0, sizeof(g->err));
	return rj_kvm_ring_new(&ring, &g->source, &g->err);
}

/* Some tests fill rings, which a kernel that overruns them does not survive. */
static bool kernel_is_sound(struct guest *g, struct ramjet_error *err)
{
	memset(err, 0, sizeof(*err));
	return rj_kvm_trial_rings(g->vm.kvm_fd, err) == 0;
}

static void need_sound_kernel(struct guest *g)
{
	struct ramjet_error err;

	if (kernel_is_sound(g, &err))
		return;
	printf("# skipped: %s\n", err.message);
	guest_free(g);
	skip();
}

static void make(struct guest *g, uint32_t ring_bytes)
{
	guest_make(g, ring_bytes);
	guest_check(g, make_source(g, ring_bytes, guest_slots, GUEST_SLOTS));
	g->vm.on_ring_full = on_full;
	g->vm.ring_user = g;
}

static void write_and_check(struct guest *g)
{
	for (unsigned round = 0; round < 3; round++) {
		guest_write_edges(g);
		assert_int_equal(guest_collect(g), GUEST_EDGES);
		guest_check_edges(g);
		assert_int_equal(guest_take(g, NULL), GUEST_EDGES);
		assert_int_equal(guest_collect(g), 0);
	}
}

static void rings_map_onto_their_block(void **state)
{
	struct guest g;

	(void)state;
	make(&g, LARGE_RING);
	guest_write_edges(&g);
	guest_check(&g, guest_start(&g));
	assert_false(rj_dirty_set_needs_rearm(&g.set));
	assert_int_equal(guest_collect(&g), 0);
	write_and_check(&g);
	guest_free(&g);
}

/* Where the kernel is in its rings, a new source has to find out. */
static void rings_used_before_are_taken_over(void **state)
{
	struct guest g;

	(void)state;
	make(&g, LARGE_RING);
	for (unsigned i = 0; i < 5; i++) {
		guest_check(&g, guest_start(&g));
		write_and_check(&g);
		guest_write_edges(&g);
		rj_dirty_set_stop(&g.set);
		guest_write(&g, 0, 5);
		if (i % 2)
			continue;
		ramjet_dirty_free(g.source);
		guest_check(&g, make_source(&g, LARGE_RING, guest_slots,
					    GUEST_SLOTS));
	}
	guest_free(&g);
}

/* With KVM's "all pages are dirty at first" no write would be noticed. */
static void protection_is_not_left_to_rearm(void **state)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
			  KVM_DIRTY_LOG_INITIALLY_SET },
	};
	struct guest g;

	(void)state;
	make(&g, LARGE_RING);
	if (ioctl(g.vm.vm_fd, KVM_ENABLE_CAP, &cap))
		skip();
	guest_write_edges(&g);
	guest_check(&g, guest_start(&g));
	write_and_check(&g);
	guest_free(&g);
}

static void loses_nothing_while_vcpus_write(void **state)
{
	uint32_t ring_bytes = *(const uint32_t *)*state;
	struct guest_writers writers;
	uint32_t *copy;
	struct guest g;

	make(&g, ring_bytes);
	need_sound_kernel(&g);
	copy = calloc(GUEST_PAGES, sizeof(*copy));
	guest_check(&g, guest_start(&g));
	guest_writers_start(&writers, &g);
	for (unsigned round = 0; round < 100 || !guest_writers_busy(&writers);
	     round++) {
		(void)guest_collect(&g);
		(void)guest_take(&g, copy);
	}
	guest_writers_stop(&writers);
	(void)guest_collect(&g);
	(void)guest_take(&g, copy);
	for (uint64_t page = 0; page < GUEST_PAGES; page++)
		assert_int_equal(copy[page], guest_page_value(&g, page));
	assert_int_equal(guest_collect(&g), 0);
	free(copy);
	guest_free(&g);
}

/* Nobody collects: the rings fill up, over and over. */
static void a_full_ring_is_emptied_by_its_vcpu(void **state)
{
	const struct ramjet_kvm_slot *slot = &guest_slots[3];
	uint32_t pages = (uint32_t)(slot->bytes / RAMJET_PAGE_BYTES);
	struct guest g;

	(void)state;
	make(&g, SMALL_RING);
	need_sound_kernel(&g);
	guest_check(&g, guest_start(&g));
	for (unsigned i = 0; i < 10; i++) {
		assert_true(
			tiny_vm_write(&g.vm, 0, slot->guest_phys_addr, pages));
		assert_true(tiny_vm_write(&g.vm, 0,
					  guest_slots[1].guest_phys_addr, 512));
		assert_true(tiny_vm_write(&g.vm, 1, slot->guest_phys_addr, 1));
	}
	assert_true(g.vm.rings_full[0] > 0);
	assert_int_equal(guest_collect(&g), pages + 512);
	guest_free(&g);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

/* Two VMs do the same; one is watched by its log, one by its rings. */
static void ring_and_log_agree(void **state)
{
	struct ramjet_dirty_kvm_log log = {
		RAMJET_DIRTY_KVM_LOG_INIT,
		.slots = guest_slots,
		.slot_count = GUEST_SLOTS,
		.automatic_protection = true,
	};
	struct guest logged;
	struct guest ringed;
	uint64_t seed = 7;

	(void)state;
	make(&ringed, HUGE_RING);
	guest_make(&logged, 0);
	log.vm_fd = logged.vm.vm_fd;
	guest_check(&logged, ramjet_dirty_kvm_log_new(&log, &logged.source,
						      &logged.err));
	guest_check(&logged, guest_start(&logged));
	guest_check(&ringed, guest_start(&ringed));
	for (unsigned round = 0; round < 60; round++) {
		for (unsigned i = 0; i < 20; i++) {
			const struct ramjet_kvm_slot *slot =
				&guest_slots[next_random(&seed) % GUEST_SLOTS];
			uint64_t pages = slot->bytes / RAMJET_PAGE_BYTES;
			uint64_t first = next_random(&seed) % pages;
			uint32_t count =
				(uint32_t)(1 + next_random(&seed) %
						       (pages - first));
			unsigned vcpu = i % TINY_VCPUS;
			uint64_t at = slot->guest_phys_addr +
				      first * RAMJET_PAGE_BYTES;

			assert_true(tiny_vm_write(&logged.vm, vcpu, at, count));
			assert_true(tiny_vm_write(&ringed.vm, vcpu, at, count));
		}
		assert_int_equal(guest_collect(&logged),
				 guest_collect(&ringed));
		assert_memory_equal((void *)logged.map.words,
				    (void *)ringed.map.words, GUEST_PAGES / 8);
		rj_bitmap_clear_run(&logged.map, 0, GUEST_PAGES);
		rj_bitmap_clear_run(&ringed.map, 0, GUEST_PAGES);
	}
	guest_free(&logged);
	guest_free(&ringed);
}

/* As on_full(), but the vCPU of an overrun ring does not try again. */
static void on_full_until_overrun(void *user, unsigned vcpu)
{
	struct guest *g = user;

	if (ramjet_dirty_kvm_ring_full(g->source, vcpu, NULL))
		g->vm.on_ring_full = NULL;
}

/* 900 and 512 pages, where the small ring has 1024 entries. */
static bool write_two_slots(struct guest *g)
{
	const struct ramjet_kvm_slot *a = &guest_slots[3];
	const struct ramjet_kvm_slot *b = &guest_slots[1];

	return tiny_vm_write(&g->vm, 0, a->guest_phys_addr,
			     (uint32_t)(a->bytes / RAMJET_PAGE_BYTES)) &&
	       tiny_vm_write(&g->vm, 0, b->guest_phys_addr,
			     (uint32_t)(b->bytes / RAMJET_PAGE_BYTES));
}

/* An interrupt that ends KVM_RUN just when the ring is full saves it from
 * being overrun, so the guest writes until that does not happen. */
static void an_overrun_is_never_silent(void **state)
{
	uint64_t pages = (guest_slots[3].bytes + guest_slots[1].bytes) /
			 RAMJET_PAGE_BYTES;
	struct rj_bitmap *bitmaps[1];
	struct ramjet_error err;
	struct guest g;
	int rc = 0;

	(void)state;
	make(&g, SMALL_RING);
	if (kernel_is_sound(&g, &err)) {
		printf("# skipped: this kernel overruns no ring\n");
		guest_free(&g);
		skip();
	}
	g.vm.on_ring_full = on_full_until_overrun;
	guest_check(&g, guest_start(&g));
	bitmaps[0] = &g.map;
	for (unsigned i = 0; !rc && i < OVERRUN_TRIES; i++) {
		bool written = write_two_slots(&g);
		uint64_t marked;

		rc = rj_dirty_set_collect(&g.set, NULL, bitmaps, &marked,
					  &g.err);
		/* What is not reported as lost is all there. */
		assert_true(rc || (written && marked == pages));
		rj_bitmap_clear_run(&g.map, 0, GUEST_PAGES);
	}
	assert_int_equal(rc, -EOVERFLOW);
	assert_string_equal(g.err.message,
			    "dirty source kvm ring: the dirty ring of vCPU 0 "
			    "was overrun by the kernel: pages are lost");
	assert_int_equal(ramjet_dirty_kvm_ring_full(g.source, 0, NULL),
			 -EOVERFLOW);
	assert_int_equal(ramjet_dirty_kvm_ring_full(g.source, 1, NULL), 0);
	guest_free(&g);
}

/* The public constructor takes a source only where rings are sound. */
static void unsound_kernels_are_refused(void **state)
{
	struct ramjet_dirty_kvm_ring ring = {
		RAMJET_DIRTY_KVM_RING_INIT, .slots = guest_slots,
		.slot_count = GUEST_SLOTS,  .vcpu_count = TINY_VCPUS,
		.ring_bytes = LARGE_RING,
	};
	struct ramjet_error err;
	struct guest g;

	(void)state;
	guest_make(&g, LARGE_RING);
	ring.vm_fd = g.vm.vm_fd;
	ring.vcpu_fds = g.vm.vcpu_fds;
	for (unsigned i = 0; i < 2; i++) {
		int rc = ramjet_dirty_kvm_ring_new(&ring, &g.source, &g.err);

		if (kernel_is_sound(&g, &err)) {
			guest_check(&g, rc);
			ramjet_dirty_free(g.source);
			g.source = NULL;
		} else {
			printf("# %s\n", g.err.message);
			assert_int_equal(rc, -EOPNOTSUPP);
			assert_string_equal(g.err.message, err.message);
			assert_null(g.source);
		}
		memset(&g.err, 0, sizeof(g.err));
		ring.kvm_fd = g.vm.kvm_fd;
	}
	ring.kvm_fd = g.vm.vm_fd;
	assert_true(ramjet_dirty_kvm_ring_new(&ring, &g.source, NULL) < 0);
	guest_free(&g);
}

static void pages_of_unknown_slots_fail_the_collect(void **state)
{
	struct kvm_userspace_memory_region other = {
		.slot = 3,
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
		.guest_phys_addr = guest_slots[0].guest_phys_addr,
		.memory_size = guest_slots[0].bytes,
	};
	struct rj_bitmap *bitmaps[1];
	uint64_t marked;
	struct guest g;

	(void)state;
	guest_make(&g, LARGE_RING);
	guest_check(&g, make_source(&g, LARGE_RING, &guest_slots[1],
				    GUEST_SLOTS - 1));
	guest_check(&g, guest_start(&g));
	other.userspace_addr =
		(uintptr_t)g.region.host + guest_slots[0].block_offset;
	assert_int_equal(ioctl(g.vm.vm_fd, KVM_SET_USER_MEMORY_REGION, &other),
			 0);
	guest_write(&g, 0, 1002);
	bitmaps[0] = &g.map;
	assert_int_equal(
		rj_dirty_set_collect(&g.set, NULL, bitmaps, &marked, &g.err),
		-ERANGE);
	assert_string_equal(g.err.message,
			    "dirty source kvm ring: a dirty ring names page 1 "
			    "of slot 0x3, which is not in the list of slots");
	guest_free(&g);
}

static void a_vm_without_rings_is_refused(void **state)
{
	struct guest g;

	(void)state;
	guest_make(&g, 0);
	assert_int_equal(make_source(&g, LARGE_RING, guest_slots, GUEST_SLOTS),
			 -EOPNOTSUPP);
	assert_non_null(strstr(g.err.message, "kvm ring: the VM has none"));
	guest_free(&g);
}

static void a_wrong_size_is_refused(void **state)
{
	static const uint32_t sizes[] = { 0, 100, 3 * 4096, SMALL_RING,
					  2 * LARGE_RING };
	struct guest g;

	(void)state;
	guest_make(&g, LARGE_RING);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(sizes); i++)
		assert_int_equal(
			make_source(&g, sizes[i], guest_slots, GUEST_SLOTS),
			-EINVAL);
	assert_string_equal(g.err.message,
			    "kvm ring: the VM's rings do not have 131072 "
			    "bytes");
	guest_free(&g);
}

static void full_is_for_sources_of_rings_only(void **state)
{
	struct ramjet_dirty_source *pagemap = NULL;
	struct guest g;

	(void)state;
	assert_int_equal(ramjet_dirty_pagemap_new(&pagemap, NULL), 0);
	assert_int_equal(ramjet_dirty_kvm_ring_full(pagemap, 0, NULL), -EINVAL);
	assert_int_equal(ramjet_dirty_kvm_ring_full(NULL, 0, NULL), -EINVAL);
	ramjet_dirty_free(pagemap);
	make(&g, LARGE_RING);
	assert_int_equal(ramjet_dirty_kvm_ring_full(g.source, 0, NULL), 0);
	assert_int_equal(ramjet_dirty_kvm_ring_full(g.source, TINY_VCPUS, NULL),
			 -EINVAL);
	guest_free(&g);
}

int main(void)
{
	static uint32_t sizes[2] = { LARGE_RING, SMALL_RING };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_map_onto_their_block),
		cmocka_unit_test(rings_used_before_are_taken_over),
		cmocka_unit_test(protection_is_not_left_to_rearm),
		cmocka_unit_test_prestate(loses_nothing_while_vcpus_write,
					  &sizes[0]),
		cmocka_unit_test_prestate(loses_nothing_while_vcpus_write,
					  &sizes[1]),
		cmocka_unit_test(a_full_ring_is_emptied_by_its_vcpu),
		cmocka_unit_test(ring_and_log_agree),
		cmocka_unit_test(an_overrun_is_never_silent),
		cmocka_unit_test(unsound_kernels_are_refused),
		cmocka_unit_test(pages_of_unknown_slots_fail_the_collect),
		cmocka_unit_test(a_vm_without_rings_is_refused),
		cmocka_unit_test(a_wrong_size_is_refused),
		cmocka_unit_test(full_is_for_sources_of_rings_only),
	};

	return cmocka_run_group_tests_name("kvm_ring", tests, NULL, NULL);
}
