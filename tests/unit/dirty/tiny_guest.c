/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "tests/unit/dirty/tiny_guest.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define BUSY_PASSES 100u

const struct ramjet_kvm_slot guest_slots[GUEST_SLOTS] = {
	{ RAMJET_KVM_SLOT_INIT, .slot = 3,
	  .guest_phys_addr = TINY_BASE + (64 << 20),
	  .bytes = 37 * RAMJET_PAGE_BYTES, .block = "ram0",
	  .block_offset = 1001 * RAMJET_PAGE_BYTES },
	{ RAMJET_KVM_SLOT_INIT, .slot = 1, .guest_phys_addr = TINY_BASE,
	  .bytes = 512 * RAMJET_PAGE_BYTES, .block = "ram0",
	  .block_offset = 0 },
	{ RAMJET_KVM_SLOT_INIT, .slot = 2,
	  .guest_phys_addr = TINY_BASE + (32 << 20),
	  .bytes = 130 * RAMJET_PAGE_BYTES, .block = "ram0",
	  .block_offset = 600 * RAMJET_PAGE_BYTES },
	{ RAMJET_KVM_SLOT_INIT, .slot = 4,
	  .guest_phys_addr = TINY_BASE + (128 << 20),
	  .bytes = 900 * RAMJET_PAGE_BYTES, .block = "ram0",
	  .block_offset = 1088 * RAMJET_PAGE_BYTES },
};

const uint64_t guest_edges[GUEST_EDGES] = {
	0,   1,   63,  64,   511,  600,  623,  624,  640,
	703, 704, 729, 1001, 1023, 1024, 1037, 1088, 1987
};

void guest_make(struct guest *guest, uint32_t ring_bytes)
{
	memset(guest, 0, sizeof(*guest));
	if (!tiny_vm_make(&guest->vm, ring_bytes))
		skip();
	guest->region = (struct ramjet_dirty_region){
		.name = "ram0",
		.host = mmap(NULL, GUEST_PAGES * RAMJET_PAGE_BYTES,
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		.page_count = GUEST_PAGES,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = -1,
	};
	assert_true(guest->region.host != MAP_FAILED);
	assert_int_equal(rj_bitmap_init(&guest->map, GUEST_PAGES, NULL), 0);
	for (unsigned i = 0; i < GUEST_SLOTS; i++) {
		const struct ramjet_kvm_slot *slot = &guest_slots[i];

		assert_int_equal(tiny_vm_set_slot(&guest->vm, slot->slot,
						  slot->guest_phys_addr,
						  guest->region.host +
							  slot->block_offset,
						  slot->bytes),
				 0);
	}
}

void guest_free(struct guest *guest)
{
	rj_dirty_set_stop(&guest->set);
	ramjet_dirty_free(guest->source);
	rj_bitmap_done(&guest->map);
	tiny_vm_free(&guest->vm);
	(void)munmap(guest->region.host, GUEST_PAGES * RAMJET_PAGE_BYTES);
}

void guest_check(const struct guest *guest, int rc)
{
	if (rc)
		printf("# %s\n", guest->err.message);
	assert_int_equal(rc, 0);
}

int guest_start(struct guest *guest)
{
	int rc = rj_dirty_set_start(&guest->set, &guest->source, 1,
				    &guest->region, 1, &guest->err);

	return rc ? rc : guest_arm(guest, 0, GUEST_PAGES);
}

int guest_arm(struct guest *guest, uint64_t first_page, uint64_t page_count)
{
	return rj_dirty_set_arm(&guest->set, 0, first_page, page_count,
				&guest->err);
}

uint64_t guest_collect(struct guest *guest)
{
	struct rj_bitmap *bitmaps[] = { &guest->map };
	uint64_t marked = 0;

	guest_check(guest, rj_dirty_set_collect(&guest->set, NULL, bitmaps,
						&marked, &guest->err));
	return marked;
}

uint32_t guest_page_value(const struct guest *guest, uint64_t page)
{
	return atomic_load((_Atomic uint32_t *)(guest->region.host +
						page * RAMJET_PAGE_BYTES));
}

static void copy_runs(const struct guest *guest, uint64_t first_page,
		      const uint64_t *words, uint32_t *copy)
{
	struct rj_run run = { 0 };

	while ((run = rj_words_next_run(words, RJ_CHUNK_PAGES,
					run.first + run.count))
		       .count)
		for (uint64_t i = 0; i < run.count; i++) {
			uint64_t page = first_page + run.first + i;

			copy[page] = guest_page_value(guest, page);
		}
}

uint64_t guest_take(struct guest *guest, uint32_t *copy)
{
	uint64_t taken = 0;

	for (uint64_t chunk = 0; chunk < guest->map.chunk_count; chunk++) {
		uint64_t words[RJ_CHUNK_WORDS] = { 0 };
		uint64_t first = chunk * RJ_CHUNK_PAGES;

		taken += rj_bitmap_claim_chunk(&guest->map, chunk, words);
		guest_check(guest,
			    rj_dirty_set_rearm(&guest->set, 0, first, words,
					       RJ_CHUNK_WORDS, &guest->err));
		if (copy)
			copy_runs(guest, first, words, copy);
	}
	return taken;
}

void guest_write(struct guest *guest, unsigned vcpu, uint64_t page)
{
	for (unsigned i = 0; i < GUEST_SLOTS; i++) {
		const struct ramjet_kvm_slot *slot = &guest_slots[i];
		uint64_t first = slot->block_offset / RAMJET_PAGE_BYTES;

		if (page < first ||
		    page >= first + slot->bytes / RAMJET_PAGE_BYTES)
			continue;
		assert_true(tiny_vm_write(&guest->vm, vcpu,
					  slot->guest_phys_addr +
						  (page - first) *
							  RAMJET_PAGE_BYTES,
					  1));
		return;
	}
	fail_msg("page %llu has no slot", (unsigned long long)page);
}

void guest_write_edges(struct guest *guest)
{
	for (unsigned i = 0; i < GUEST_EDGES; i++)
		guest_write(guest, i % TINY_VCPUS, guest_edges[i]);
}

void guest_check_edges(const struct guest *guest)
{
	for (unsigned i = 0; i < GUEST_EDGES; i++)
		assert_true(rj_bitmap_test(&guest->map, guest_edges[i]));
	assert_int_equal(rj_bitmap_count(&guest->map), GUEST_EDGES);
}

static void *writer_main(void *user)
{
	struct guest_writer *w = user;

	w->worked = true;
	/* One that failed only counts, so that nobody waits for it. */
	for (unsigned i = 0; !atomic_load(&w->stop); i++) {
		const struct ramjet_kvm_slot *slot =
			&guest_slots[i % GUEST_SLOTS];

		w->worked =
			w->worked &&
			tiny_vm_write(
				&w->guest->vm, w->vcpu, slot->guest_phys_addr,
				(uint32_t)(slot->bytes / RAMJET_PAGE_BYTES));
		atomic_fetch_add(&w->passes, 1);
	}
	return NULL;
}

void guest_writers_start(struct guest_writers *writers, struct guest *guest)
{
	memset(writers, 0, sizeof(*writers));
	for (unsigned i = 0; i < TINY_VCPUS; i++) {
		struct guest_writer *w = &writers->vcpus[i];

		w->guest = guest;
		w->vcpu = i;
		assert_int_equal(
			pthread_create(&w->thread, NULL, writer_main, w), 0);
	}
}

bool guest_writers_busy(struct guest_writers *writers)
{
	for (unsigned i = 0; i < TINY_VCPUS; i++)
		if (atomic_load(&writers->vcpus[i].passes) < BUSY_PASSES)
			return false;
	return true;
}

void guest_writers_stop(struct guest_writers *writers)
{
	for (unsigned i = 0; i < TINY_VCPUS; i++)
		atomic_store(&writers->vcpus[i].stop, true);
	for (unsigned i = 0; i < TINY_VCPUS; i++)
		assert_int_equal(pthread_join(writers->vcpus[i].thread, NULL),
				 0);
	for (unsigned i = 0; i < TINY_VCPUS; i++)
		assert_true(writers->vcpus[i].worked);
}
