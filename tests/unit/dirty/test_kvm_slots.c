/* SPDX-License-Identifier: BSD-3-Clause */
/* Where slots lie, and the copy of their logs, as far as it takes no KVM. */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "dirty/kvm/copy.h"

#define SLOTS 6u
#define PAGES 4096u

/* Of two blocks; some share pages, as those of address spaces do. */
static const struct ramjet_kvm_slot given[SLOTS] = {
	{ RAMJET_KVM_SLOT_INIT, .slot = 1, .bytes = 3000 * RAMJET_PAGE_BYTES,
	  .block = "one", .block_offset = 100 * RAMJET_PAGE_BYTES },
	{ RAMJET_KVM_SLOT_INIT, .slot = 2, .bytes = 10 * RAMJET_PAGE_BYTES,
	  .block = "one", .block_offset = 200 * RAMJET_PAGE_BYTES },
	{ RAMJET_KVM_SLOT_INIT, .slot = 3, .bytes = 700 * RAMJET_PAGE_BYTES,
	  .block = "one", .block_offset = 300 * RAMJET_PAGE_BYTES },
	{ RAMJET_KVM_SLOT_INIT, .slot = 4, .bytes = 96 * RAMJET_PAGE_BYTES,
	  .block = "one", .block_offset = 4000 * RAMJET_PAGE_BYTES },
	{ RAMJET_KVM_SLOT_INIT, .slot = 5, .bytes = 64 * RAMJET_PAGE_BYTES,
	  .block = "two", .block_offset = 0 },
	{ RAMJET_KVM_SLOT_INIT, .slot = 6, .bytes = 64 * RAMJET_PAGE_BYTES,
	  .block = "two", .block_offset = 4032 * RAMJET_PAGE_BYTES },
};

static const struct ramjet_dirty_region regions[2] = {
	{ .size = sizeof(regions[0]), .name = "one", .page_count = PAGES },
	{ .size = sizeof(regions[0]), .name = "two", .page_count = PAGES },
};

static void place(struct rj_kvm_slots *slots)
{
	assert_int_equal(rj_kvm_slots_init(slots, -1, given, SLOTS, NULL), 0);
	assert_int_equal(rj_kvm_slots_place(slots, regions, 2, NULL), 0);
}

static void none_is_missed_where_slots_share_pages(void **state)
{
	struct rj_kvm_slots slots;

	(void)state;
	place(&slots);
	for (unsigned region = 0; region < 2; region++)
		for (uint64_t page = 0; page < PAGES; page += 4) {
			size_t first = rj_kvm_slots_find(&slots, region, page);

			for (size_t i = 0; i < first; i++)
				assert_int_equal(
					rj_kvm_slot_overlap(&slots.slots[i],
							    region, page, PAGES)
						.count,
					0);
			/* And none too early, as far as places tell. */
			if (first < SLOTS)
				assert_true(slots.slots[first].region >
						    region ||
					    slots.slots[first].reach > page);
		}
	assert_int_equal(rj_kvm_slots_find(&slots, 0, 3500), 3);
	assert_int_equal(rj_kvm_slots_find(&slots, 1, 64), 5);
	assert_int_equal(rj_kvm_slots_find(&slots, 1, PAGES), SLOTS);
	rj_kvm_slots_done(&slots);
}

static void slots_are_found_by_number(void **state)
{
	struct rj_kvm_slots slots;

	(void)state;
	place(&slots);
	for (uint32_t number = 1; number <= SLOTS; number++) {
		const struct rj_kvm_slot *slot =
			rj_kvm_slots_numbered(&slots, number);

		assert_non_null(slot);
		assert_int_equal(slot->slot, number);
		assert_int_equal(slot->page_count,
				 given[number - 1].bytes / RAMJET_PAGE_BYTES);
	}
	assert_null(rj_kvm_slots_numbered(&slots, 0));
	assert_null(rj_kvm_slots_numbered(&slots, SLOTS + 1));
	assert_null(rj_kvm_slots_numbered(&slots, 1 << 16 | 1));
	rj_kvm_slots_done(&slots);
}

static void overlaps_are_in_pages_of_the_slot(void **state)
{
	static const struct {
		size_t slot;
		unsigned region;
		uint64_t first, count;
		uint64_t want_first, want_count;
	} cases[] = {
		{ 0, 0, 0, PAGES, 0, 3000 },  { 0, 0, 512, 512, 412, 512 },
		{ 0, 0, 0, 100, 0, 0 },       { 0, 0, 0, 101, 0, 1 },
		{ 0, 0, 3099, 512, 2999, 1 }, { 0, 0, 3100, 512, 0, 0 },
		{ 0, 1, 0, PAGES, 0, 0 },     { 3, 0, 3584, 512, 0, 96 },
		{ 5, 1, 4032 + 3, 7, 3, 7 },
	};
	struct rj_kvm_slots slots;

	(void)state;
	place(&slots);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(cases); i++) {
		struct rj_kvm_span span = rj_kvm_slot_overlap(
			&slots.slots[cases[i].slot], cases[i].region,
			cases[i].first, cases[i].count);

		assert_int_equal(span.count, cases[i].want_count);
		assert_int_equal(span.first, cases[i].want_first);
	}
	rj_kvm_slots_done(&slots);
}

static bool test_bit(const uint64_t *words, uint64_t bit)
{
	return words[bit / 64] >> bit % 64 & 1;
}

static void only_the_span_is_forgotten(void **state)
{
	static const uint64_t edges[] = { 0,   1,   5,   63,  64,  65,  127,
					  128, 190, 191, 192, 193, 320, 699 };
	struct rj_kvm_slots slots;
	struct rj_kvm_copy copy;
	uint64_t *words;

	(void)state;
	place(&slots);
	assert_int_equal(rj_kvm_copy_init(&copy, &slots, NULL), 0);
	words = copy.copies[2].words;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(edges); i++)
		for (unsigned j = i + 1; j < RJ_ARRAY_SIZE(edges); j++) {
			memset(words, 0xff, 11 * sizeof(*words));
			rj_kvm_copy_forget(&copy, 2, edges[i],
					   edges[j] - edges[i]);
			for (uint64_t bit = 0; bit < 704; bit++)
				assert_int_equal(test_bit(words, bit),
						 bit < edges[i] ||
							 bit >= edges[j]);
		}
	rj_kvm_copy_done(&copy);
	rj_kvm_slots_done(&slots);
}

/* A copy is allocated where it is touched: 12 TiB of slots cost nothing yet. */
static void copies_are_allocated_when_touched(void **state)
{
	static const struct ramjet_kvm_slot large = {
		RAMJET_KVM_SLOT_INIT,
		.bytes = UINT64_C(12) << 40,
		.block = "large",
	};
	static const struct ramjet_dirty_region region = {
		.size = sizeof(region),
		.name = "large",
		.page_count = UINT64_C(12) << 28,
	};
	struct rj_kvm_slots slots;
	struct rj_kvm_copy copy;
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(rj_kvm_slots_init(&slots, -1, &large, 1, &err), 0);
	assert_int_equal(rj_kvm_slots_place(&slots, &region, 1, &err), 0);
	assert_int_equal(rj_kvm_copy_init(&copy, &slots, &err), 0);
	/* The budget: 32 MiB a TiB when all of it has been touched. */
	assert_int_equal(copy.map_bytes, 12 * (32 << 20));
	rj_kvm_copy_forget(&copy, 0, region.page_count - 512, 512);
	rj_kvm_copy_done(&copy);
	rj_kvm_copy_done(&copy);
	rj_kvm_slots_done(&slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_is_missed_where_slots_share_pages),
		cmocka_unit_test(slots_are_found_by_number),
		cmocka_unit_test(overlaps_are_in_pages_of_the_slot),
		cmocka_unit_test(only_the_span_is_forgotten),
		cmocka_unit_test(copies_are_allocated_when_touched),
	};

	return cmocka_run_group_tests_name("kvm_slots", tests, NULL, NULL);
}
