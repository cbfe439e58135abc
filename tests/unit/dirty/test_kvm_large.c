/* SPDX-License-Identifier: BSD-3-Clause */
/* KVM's log of large memory: a slot of 1 TiB, and 1000 slots. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dirty/populated.h"
#include "dirty/source.h"
#include "ramjet-kvm.h"
#include "tests/unit/dirty/tiny_vm.h"

#define GIB         (UINT64_C(1) << 30)
#define CREW        3u
#define SLOTS       1000u
#define SLOT_PAGES  130u
#define SLOT_STRIDE 131u /* so that few begin on a word of the bitmap */

struct large {
	struct tiny_vm vm;
	struct ramjet_dirty_region region;
	struct ramjet_dirty_source *source;
	struct rj_dirty_set set;
	struct rj_bitmap map;
	struct rj_crew crew;
	struct ramjet_error err;
};

static void check(const struct large *l, int rc)
{
	if (rc)
		printf("# %s\n", l->err.message);
	assert_int_equal(rc, 0);
}

static void make(struct large *l, uint64_t pages)
{
	memset(l, 0, sizeof(*l));
	if (!tiny_vm_make(&l->vm, 0))
		skip();
	l->region = (struct ramjet_dirty_region){
		.size = sizeof(l->region),
		.name = "ram0",
		.host = mmap(
			NULL, pages * RAMJET_PAGE_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
		.page_count = pages,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = -1,
	};
	assert_true(l->region.host != MAP_FAILED);
	/* Else each page that is touched would be 512. */
	(void)madvise(l->region.host, pages * RAMJET_PAGE_BYTES,
		      MADV_NOHUGEPAGE);
	check(l, rj_bitmap_init(&l->map, pages, &l->err));
	check(l, rj_crew_start(&l->crew, "rj/test", CREW, &l->err));
}

static void start(struct large *l, const struct ramjet_kvm_slot *slots,
		  size_t count)
{
	struct ramjet_dirty_kvm_log log = {
		RAMJET_DIRTY_KVM_LOG_INIT,
		.vm_fd = l->vm.vm_fd,
		.slots = slots,
		.slot_count = count,
	};

	check(l, ramjet_dirty_kvm_log_new(&log, &l->source, &l->err));
	check(l, rj_dirty_set_start(&l->set, &l->source, 1, &l->region, 1,
				    &l->err));
	check(l,
	      rj_dirty_set_arm(&l->set, 0, 0, l->region.page_count, &l->err));
}

static void finish(struct large *l)
{
	rj_dirty_set_stop(&l->set);
	ramjet_dirty_free(l->source);
	rj_bitmap_done(&l->map);
	rj_crew_stop(&l->crew);
	tiny_vm_free(&l->vm);
	(void)munmap(l->region.host, l->region.page_count * RAMJET_PAGE_BYTES);
}

static uint64_t collect(struct large *l)
{
	const struct rj_dirty_walk walk = { .crew = &l->crew };
	struct rj_bitmap *bitmaps[] = { &l->map };
	uint64_t marked = 0;

	check(l,
	      rj_dirty_set_collect(&l->set, &walk, bitmaps, &marked, &l->err));
	return marked;
}

/* As workers do, all chunks with something. Returns how many pages. */
static uint64_t take(struct large *l)
{
	const uint64_t end = l->map.chunk_count;
	uint64_t chunk = 0;
	uint64_t taken = 0;

	while ((chunk = rj_bitmap_next_chunk(&l->map, chunk, end)) < end) {
		uint64_t words[RJ_CHUNK_WORDS] = { 0 };

		taken += rj_bitmap_claim_chunk(&l->map, chunk, words);
		check(l, rj_dirty_set_rearm(&l->set, 0, chunk * RJ_CHUNK_PAGES,
					    words, RJ_CHUNK_WORDS, &l->err));
		chunk++;
	}
	return taken;
}

static uint64_t populated_pages(struct large *l)
{
	enum rj_populated_method method;
	const char *reason;
	struct rj_bitmap map;
	uint64_t count;

	check(l, rj_bitmap_init(&map, l->region.page_count, &l->err));
	check(l,
	      rj_populated_scan(&l->region, &map, &method, &reason, &l->err));
	count = method == RJ_POPULATED_PAGEMAP_SCAN ? rj_bitmap_count(&map)
						    : UINT64_MAX;
	rj_bitmap_done(&map);
	return count;
}

static uint64_t free_mib(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			break;
	if (file)
		(void)fclose(file);
	return kib >> 10;
}

static void a_sparse_tib_is_logged_in_one_slot(void **state)
{
	static const uint64_t pages[] = { 0, 1, 511, 65535, 65536, 786433 };
	const uint64_t count = RJ_ARRAY_SIZE(pages);
	const struct ramjet_kvm_slot slot = {
		RAMJET_KVM_SLOT_INIT,
		.slot = 1,
		.guest_phys_addr = TINY_BASE,
		.bytes = 1024 * GIB,
		.block = "ram0",
	};
	struct large l;
	int rc;

	(void)state;
	/* Where KVM has page tables of its own, it wants 8 bytes a page. */
	if (free_mib() < 4096) {
		printf("# skipped: KVM may want 2 GiB for a slot of 1 TiB\n");
		skip();
	}
	make(&l, slot.bytes / RAMJET_PAGE_BYTES);
	rc = tiny_vm_set_slot(&l.vm, 1, slot.guest_phys_addr, l.region.host,
			      slot.bytes);
	if (rc) {
		printf("# skipped: KVM refuses a slot of 1 TiB: %s\n",
		       strerror(-rc));
		finish(&l);
		skip();
	}
	start(&l, &slot, 1);
	assert_int_equal(collect(&l), 0);
	for (unsigned round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < count; i++)
			assert_true(tiny_vm_write(
				&l.vm, i % TINY_VCPUS,
				TINY_BASE + pages[i] * RAMJET_PAGE_BYTES, 1));
		assert_int_equal(collect(&l), count);
		for (uint64_t i = 0; i < count; i++)
			assert_true(rj_bitmap_test(&l.map, pages[i]));
		assert_int_equal(take(&l), count);
		assert_int_equal(collect(&l), 0);
	}
	/* Nobody has touched the rest. */
	if (populated_pages(&l) != UINT64_MAX)
		assert_int_equal(populated_pages(&l), count);
	finish(&l);
}

static void a_thousand_slots_are_logged(void **state)
{
	struct ramjet_kvm_slot *slots = calloc(SLOTS, sizeof(*slots));
	struct large l;

	(void)state;
	make(&l, SLOTS * SLOT_STRIDE);
	for (unsigned i = 0; i < SLOTS; i++) {
		uint64_t offset = i * (uint64_t)SLOT_STRIDE * RAMJET_PAGE_BYTES;

		slots[i] = (struct ramjet_kvm_slot){
			RAMJET_KVM_SLOT_INIT,
			.slot = SLOTS - i,
			.guest_phys_addr = TINY_BASE + offset,
			.bytes = SLOT_PAGES * RAMJET_PAGE_BYTES,
			.block = "ram0",
			.block_offset = offset,
		};
		if (tiny_vm_set_slot(&l.vm, slots[i].slot,
				     slots[i].guest_phys_addr,
				     l.region.host + offset, slots[i].bytes)) {
			printf("# skipped: KVM refuses slot number %u\n", i);
			finish(&l);
			free(slots);
			skip();
		}
	}
	start(&l, slots, SLOTS);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < SLOTS; i++) {
			uint64_t at = slots[i].guest_phys_addr;

			assert_true(tiny_vm_write(&l.vm, 0, at, 1));
			at += (SLOT_PAGES - 1) * RAMJET_PAGE_BYTES;
			assert_true(tiny_vm_write(&l.vm, 1, at, 1));
		}
		assert_int_equal(collect(&l), 2 * SLOTS);
		for (uint64_t i = 0; i < SLOTS; i++) {
			uint64_t page = i * SLOT_STRIDE;

			assert_true(rj_bitmap_test(&l.map, page));
			page += SLOT_PAGES - 1;
			assert_true(rj_bitmap_test(&l.map, page));
		}
		assert_int_equal(take(&l), 2 * SLOTS);
		assert_int_equal(collect(&l), 0);
	}
	finish(&l);
	free(slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sparse_tib_is_logged_in_one_slot),
		cmocka_unit_test(a_thousand_slots_are_logged),
	};

	return cmocka_run_group_tests_name("kvm_large", tests, NULL, NULL);
}
