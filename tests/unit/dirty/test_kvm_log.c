/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dirty/source.h"
#include "tests/unit/dirty/tiny_vm.h"

#define BLOCK_PAGES 2048u

/* Neither begin nor end of slots 2 and 3 lies on a word of the bitmap; there
 * are holes between them, and the block's order is not the guest's. */
static const struct ramjet_kvm_slot slots[] = {
	{ .slot = 3,
	  .guest_phys_addr = TINY_BASE + (64 << 20),
	  .bytes = 37 * RAMJET_PAGE_BYTES,
	  .block = "ram0",
	  .block_offset = 1001 * RAMJET_PAGE_BYTES },
	{ .slot = 1,
	  .guest_phys_addr = TINY_BASE,
	  .bytes = 512 * RAMJET_PAGE_BYTES,
	  .block = "ram0",
	  .block_offset = 0 },
	{ .slot = 2,
	  .guest_phys_addr = TINY_BASE + (32 << 20),
	  .bytes = 130 * RAMJET_PAGE_BYTES,
	  .block = "ram0",
	  .block_offset = 600 * RAMJET_PAGE_BYTES },
	{ .slot = 4,
	  .guest_phys_addr = TINY_BASE + (128 << 20),
	  .bytes = 900 * RAMJET_PAGE_BYTES,
	  .block = "ram0",
	  .block_offset = 1088 * RAMJET_PAGE_BYTES },
};

struct machine {
	struct tiny_vm vm;
	struct ramjet_dirty_region region;
	struct ramjet_dirty_source *source;
	struct rj_dirty_set set;
	struct rj_bitmap map;
	struct ramjet_error err;
};

static void check(const struct machine *m, int rc)
{
	if (rc)
		printf("# %s\n", m->err.message);
	assert_int_equal(rc, 0);
}

static void make(struct machine *m, uint32_t ring_bytes)
{
	memset(m, 0, sizeof(*m));
	if (!tiny_vm_make(&m->vm, ring_bytes))
		skip();
	m->region = (struct ramjet_dirty_region){
		.name = "ram0",
		.host = mmap(NULL, BLOCK_PAGES * RAMJET_PAGE_BYTES,
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		.page_count = BLOCK_PAGES,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = -1,
	};
	assert_true(m->region.host != MAP_FAILED);
	assert_int_equal(rj_bitmap_init(&m->map, BLOCK_PAGES, NULL), 0);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(slots); i++)
		assert_int_equal(
			tiny_vm_set_slot(&m->vm, slots[i].slot,
					 slots[i].guest_phys_addr,
					 m->region.host + slots[i].block_offset,
					 slots[i].bytes),
			0);
}

static void make_source(struct machine *m, bool automatic)
{
	struct ramjet_dirty_kvm_log log = {
		RAMJET_DIRTY_KVM_LOG_INIT,
		.vm_fd = m->vm.vm_fd,
		.slots = slots,
		.slot_count = RJ_ARRAY_SIZE(slots),
		.automatic_protection = automatic,
	};

	check(m, ramjet_dirty_kvm_log_new(&log, &m->source, &m->err));
}

static int start(struct machine *m)
{
	return rj_dirty_set_start(&m->set, &m->source, 1, &m->region, 1,
				  &m->err);
}

static void finish(struct machine *m)
{
	rj_dirty_set_stop(&m->set);
	ramjet_dirty_free(m->source);
	rj_bitmap_done(&m->map);
	tiny_vm_free(&m->vm);
	(void)munmap(m->region.host, BLOCK_PAGES * RAMJET_PAGE_BYTES);
}

static uint64_t collect(struct machine *m)
{
	struct rj_bitmap *bitmaps[] = { &m->map };
	uint64_t marked = 0;

	check(m, rj_dirty_set_collect(&m->set, bitmaps, &marked, &m->err));
	return marked;
}

static uint32_t page_value(const struct machine *m, uint64_t page)
{
	return atomic_load((_Atomic uint32_t *)(m->region.host +
						page * RAMJET_PAGE_BYTES));
}

/* What a worker does: claim a chunk, rearm, read. Returns how many. */
static uint64_t take(struct machine *m, uint32_t *copy)
{
	uint64_t taken = 0;

	for (uint64_t chunk = 0; chunk < m->map.chunk_count; chunk++) {
		uint64_t words[RJ_CHUNK_WORDS] = { 0 };
		struct rj_run run = { 0 };

		taken += rj_bitmap_claim_chunk(&m->map, chunk, words);
		check(m, rj_dirty_set_rearm(&m->set, 0, chunk * RJ_CHUNK_PAGES,
					    words, RJ_CHUNK_WORDS, &m->err));
		while (copy && (run = rj_words_next_run(words, RJ_CHUNK_PAGES,
							run.first + run.count))
				       .count)
			for (uint64_t i = 0; i < run.count; i++) {
				uint64_t page =
					chunk * RJ_CHUNK_PAGES + run.first + i;

				copy[page] = page_value(m, page);
			}
	}
	return taken;
}

/* Have the guest write a page of the block. */
static void guest_writes(struct machine *m, uint64_t page)
{
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(slots); i++) {
		uint64_t first = slots[i].block_offset / RAMJET_PAGE_BYTES;

		if (page >= first &&
		    page < first + slots[i].bytes / RAMJET_PAGE_BYTES) {
			assert_true(tiny_vm_write(
				&m->vm, 0,
				slots[i].guest_phys_addr +
					(page - first) * RAMJET_PAGE_BYTES,
				1));
			return;
		}
	}
	fail_msg("page %llu has no slot", (unsigned long long)page);
}

static const uint64_t written[] = { 0,    1,    63,   64,   511,  600,
				    623,  624,  640,  703,  704,  729,
				    1001, 1023, 1024, 1037, 1088, 1987 };

static void write_all(struct machine *m)
{
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(written); i++)
		guest_writes(m, written[i]);
}

static void check_written(struct machine *m)
{
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(written); i++)
		assert_true(rj_bitmap_test(&m->map, written[i]));
	assert_int_equal(rj_bitmap_count(&m->map), RJ_ARRAY_SIZE(written));
}

static void slots_map_onto_their_block(void **state)
{
	struct machine m;

	(void)state;
	make(&m, 0);
	make_source(&m, false);
	check(&m, start(&m));
	/* Nothing is populated yet, so nothing is dirty. */
	assert_int_equal(collect(&m), 0);
	for (unsigned round = 0; round < 3; round++) {
		write_all(&m);
		assert_int_equal(collect(&m), RJ_ARRAY_SIZE(written));
		check_written(&m);
		assert_int_equal(take(&m, NULL), RJ_ARRAY_SIZE(written));
		assert_int_equal(collect(&m), 0);
	}
	finish(&m);
}

static void automatic_protection_needs_no_rearm(void **state)
{
	struct machine m;

	(void)state;
	make(&m, 0);
	make_source(&m, true);
	check(&m, start(&m));
	assert_false(rj_dirty_set_needs_rearm(&m.set));
	assert_string_equal(m.source->ops.name,
			    "kvm log without manual protection");
	for (unsigned round = 0; round < 3; round++) {
		write_all(&m);
		assert_int_equal(collect(&m), RJ_ARRAY_SIZE(written));
		check_written(&m);
		rj_bitmap_clear_run(&m.map, 0, BLOCK_PAGES);
		assert_int_equal(collect(&m), 0);
	}
	finish(&m);
}

/* KVM then begins with all pages dirty: what is populated may be reported,
 * what is not must not. */
static void untouched_memory_is_never_reported(void **state)
{
	struct machine m;
	uint64_t page;

	(void)state;
	make(&m, 0);
	memset(m.region.host, 1, 1200 * RAMJET_PAGE_BYTES);
	make_source(&m, false);
	if (!m.source->ops.rearm)
		skip();
	check(&m, start(&m));
	(void)collect(&m);
	for (page = 1200; page < BLOCK_PAGES; page++)
		assert_false(rj_bitmap_test(&m.map, page));
	/* All that is populated is sent in the first round. */
	rj_bitmap_set_run(&m.map, 0, 1200);
	assert_int_equal(take(&m, NULL), 1200);
	assert_int_equal(collect(&m), 0);
	write_all(&m);
	guest_writes(&m, 1500);
	assert_int_equal(collect(&m), RJ_ARRAY_SIZE(written) + 1);
	assert_true(rj_bitmap_test(&m.map, 1500));
	finish(&m);
}

static void only_what_is_rearmed_is_forgotten(void **state)
{
	const uint64_t some[] = { UINT64_C(1) << 24, 0 };
	struct machine m;

	(void)state;
	make(&m, 0);
	make_source(&m, false);
	if (!m.source->ops.rearm)
		skip();
	check(&m, start(&m));
	write_all(&m);
	assert_int_equal(collect(&m), RJ_ARRAY_SIZE(written));
	/* Page 600 of the block is page 0 of its slot: bit 24 of 576. */
	check(&m, rj_dirty_set_rearm(&m.set, 0, 576, some, 2, &m.err));
	rj_bitmap_clear_run(&m.map, 0, BLOCK_PAGES);
	assert_int_equal(collect(&m), RJ_ARRAY_SIZE(written) - 1);
	assert_false(rj_bitmap_test(&m.map, 600));
	/* Rearming where no slot is does nothing. */
	check(&m, rj_dirty_set_rearm(&m.set, 0, 832, some, 2, &m.err));
	finish(&m);
}

struct writer {
	struct machine *m;
	unsigned vcpu;
	_Atomic bool stop;
	_Atomic unsigned passes;
	bool worked;
};

static void *writer_main(void *user)
{
	struct writer *w = user;

	w->worked = true;
	/* One that failed only counts, so that nobody waits for it. */
	for (unsigned i = 0; !atomic_load(&w->stop); i++) {
		const struct ramjet_kvm_slot *slot =
			&slots[i % RJ_ARRAY_SIZE(slots)];

		w->worked =
			w->worked &&
			tiny_vm_write(
				&w->m->vm, w->vcpu, slot->guest_phys_addr,
				(uint32_t)(slot->bytes / RAMJET_PAGE_BYTES));
		atomic_fetch_add(&w->passes, 1);
	}
	return NULL;
}

/* All have written all slots many times. */
static bool all_busy(struct writer *writers)
{
	for (unsigned i = 0; i < TINY_VCPUS; i++)
		if (atomic_load(&writers[i].passes) < 100)
			return false;
	return true;
}

static void loses_nothing_while_vcpus_write(void **state)
{
	bool automatic = *(const bool *)*state;
	uint32_t *copy = calloc(BLOCK_PAGES, sizeof(*copy));
	struct writer writers[TINY_VCPUS] = { 0 };
	pthread_t threads[TINY_VCPUS];
	struct machine m;

	make(&m, 0);
	make_source(&m, automatic);
	check(&m, start(&m));
	for (unsigned i = 0; i < TINY_VCPUS; i++) {
		writers[i].m = &m;
		writers[i].vcpu = i;
		assert_int_equal(pthread_create(&threads[i], NULL, writer_main,
						&writers[i]),
				 0);
	}
	for (unsigned round = 0; round < 100 || !all_busy(writers); round++) {
		(void)collect(&m);
		(void)take(&m, copy);
	}
	for (unsigned i = 0; i < TINY_VCPUS; i++)
		atomic_store(&writers[i].stop, true);
	for (unsigned i = 0; i < TINY_VCPUS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	(void)collect(&m);
	(void)take(&m, copy);
	for (unsigned i = 0; i < TINY_VCPUS; i++)
		assert_true(writers[i].worked);
	for (uint64_t page = 0; page < BLOCK_PAGES; page++)
		assert_int_equal(copy[page], page_value(&m, page));
	free(copy);
	finish(&m);
}

static void stops_and_starts_again(void **state)
{
	struct machine m;

	(void)state;
	make(&m, 0);
	make_source(&m, false);
	for (unsigned i = 0; i < 3; i++) {
		check(&m, start(&m));
		guest_writes(&m, 77);
		(void)collect(&m);
		assert_true(rj_bitmap_test(&m.map, 77));
		rj_bitmap_clear_run(&m.map, 0, BLOCK_PAGES);
		rj_dirty_set_stop(&m.set);
		guest_writes(&m, 88);
	}
	finish(&m);
}

static void a_vm_with_rings_is_refused(void **state)
{
	struct machine m;

	(void)state;
	make(&m, 65536);
	make_source(&m, false);
	assert_int_equal(start(&m), -EOPNOTSUPP);
	assert_string_equal(m.err.message,
			    "dirty source kvm log: KVM_GET_DIRTY_LOG: the VM "
			    "has no log, since its dirty rings are enabled");
	finish(&m);
}

static void slots_outside_of_blocks_are_refused(void **state)
{
	struct ramjet_kvm_slot slot = {
		.slot = 9,
		.bytes = 3 * RAMJET_PAGE_BYTES,
		.block = "ram0",
		.block_offset = (BLOCK_PAGES - 2) * RAMJET_PAGE_BYTES,
	};
	struct ramjet_dirty_kvm_log log = {
		RAMJET_DIRTY_KVM_LOG_INIT,
		.slots = &slot,
		.slot_count = 1,
	};
	struct machine m;

	(void)state;
	make(&m, 0);
	log.vm_fd = m.vm.vm_fd;
	check(&m, ramjet_dirty_kvm_log_new(&log, &m.source, &m.err));
	assert_int_equal(start(&m), -ERANGE);
	assert_non_null(strstr(m.err.message, "KVM slot 9: pages 2046 to 2049 "
					      "of block ram0, which has 2048"));
	ramjet_dirty_free(m.source);
	slot.block = "rom";
	check(&m, ramjet_dirty_kvm_log_new(&log, &m.source, NULL));
	assert_int_equal(start(&m), -ENOENT);
	finish(&m);
}

static void crooked_slots_are_refused(void **state)
{
	struct ramjet_kvm_slot slot = { .slot = 9, .bytes = 4097 };
	struct ramjet_dirty_kvm_log log = {
		RAMJET_DIRTY_KVM_LOG_INIT,
		.vm_fd = -1,
		.slots = &slot,
		.slot_count = 1,
	};
	struct ramjet_dirty_source *source = NULL;
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(ramjet_dirty_kvm_log_new(&log, &source, &err),
			 -EINVAL);
	assert_string_equal(err.message, "KVM slot 9: block is NULL");
	slot.block = "ram0";
	assert_int_equal(ramjet_dirty_kvm_log_new(&log, &source, NULL),
			 -EINVAL);
	slot.bytes = 4096;
	memset(&err, 0, sizeof(err));
	assert_int_equal(ramjet_dirty_kvm_log_new(&log, &source, &err), -EBADF);
	assert_string_equal(err.message, "kvm log: vm_fd: Bad file descriptor");
	log.slot_count = 0;
	assert_int_equal(ramjet_dirty_kvm_log_new(&log, &source, NULL),
			 -EINVAL);
	assert_null(source);
}

int main(void)
{
	static bool automatic[2] = { false, true };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_map_onto_their_block),
		cmocka_unit_test(automatic_protection_needs_no_rearm),
		cmocka_unit_test(untouched_memory_is_never_reported),
		cmocka_unit_test(only_what_is_rearmed_is_forgotten),
		cmocka_unit_test_prestate(loses_nothing_while_vcpus_write,
					  &automatic[0]),
		cmocka_unit_test_prestate(loses_nothing_while_vcpus_write,
					  &automatic[1]),
		cmocka_unit_test(stops_and_starts_again),
		cmocka_unit_test(a_vm_with_rings_is_refused),
		cmocka_unit_test(slots_outside_of_blocks_are_refused),
		cmocka_unit_test(crooked_slots_are_refused),
	};

	return cmocka_run_group_tests_name("kvm_log", tests, NULL, NULL);
}
