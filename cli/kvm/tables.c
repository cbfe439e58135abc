/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/tables.h"

#include <errno.h>

#include "cli/kvm/vm.h"
#include "util/bits.h"
#include "util/error.h"

#define ENTRIES 512u

#define PRESENT  0x01u
#define WRITABLE 0x02u
#define USER     0x04u
#define ACCESSED 0x20u
#define DIRTY    0x40u
#define LARGE    0x80u
#define TABLE    (PRESENT | WRITABLE | USER | ACCESSED)
#define LEAF     (TABLE | DIRTY | LARGE)

/* How many tables of each level; the root is one. */
struct shape {
	uint64_t large_pages; /* mapped */
	uint64_t directories;
	uint64_t pointers; /* tables of pointers to directories */
};

static struct shape shape_of(uint64_t bytes)
{
	struct shape shape;

	shape.large_pages = rj_div_round_up(bytes, RJ_KVM_LARGE_PAGE);
	shape.directories = rj_div_round_up(shape.large_pages, ENTRIES);
	shape.pointers = rj_div_round_up(shape.directories, ENTRIES);
	return shape;
}

uint64_t rj_kvm_tables_pages(uint64_t bytes)
{
	struct shape shape = shape_of(bytes);

	return 1 + shape.pointers + shape.directories;
}

/* Entry `slot` of the tables seen as one array: the root, the tables of
 * pointers, the directories. */
static uint64_t entry_at(const struct rj_kvm_tables *tables,
			 const struct shape *shape, uint64_t slot)
{
	const uint64_t pointers_first = ENTRIES;
	const uint64_t directories_first = (1 + shape->pointers) * ENTRIES;
	uint64_t table = 0;

	if (slot >= directories_first) {
		uint64_t large = slot - directories_first;

		if (large >= shape->large_pages)
			return 0;
		return rj_kvm_gpa(large * RJ_KVM_LARGE_PAGE) | LEAF;
	}
	if (slot >= pointers_first &&
	    slot - pointers_first < shape->directories)
		table = 1 + shape->pointers + (slot - pointers_first);
	else if (slot < pointers_first && slot < shape->pointers)
		table = 1 + slot;
	if (!table)
		return 0;
	return rj_kvm_gpa((tables->first + table) * RAMJET_PAGE_BYTES) | TABLE;
}

static volatile uint64_t *entries_of(const struct rj_kvm_tables *tables)
{
	return (volatile uint64_t *)(void *)(tables->ram +
					     tables->first * RAMJET_PAGE_BYTES);
}

RJ_GUEST_MEMORY
void rj_kvm_tables_write(const struct rj_kvm_tables *tables)
{
	struct shape shape = shape_of(tables->bytes);
	uint64_t count = rj_kvm_tables_pages(tables->bytes) * ENTRIES;
	volatile uint64_t *entries = entries_of(tables);

	for (uint64_t i = 0; i < count; i++)
		entries[i] = entry_at(tables, &shape, i);
}

RJ_GUEST_MEMORY
int rj_kvm_tables_check(const struct rj_kvm_tables *tables,
			struct ramjet_error *err)
{
	struct shape shape = shape_of(tables->bytes);
	uint64_t count = rj_kvm_tables_pages(tables->bytes) * ENTRIES;
	volatile uint64_t *entries = entries_of(tables);

	for (uint64_t i = 0; i < count; i++) {
		uint64_t wanted = entry_at(tables, &shape, i);
		uint64_t found = entries[i];

		if (found != wanted)
			return rj_fail(
				err, -EBADMSG,
				"self-check: page %llu: page table entry %llu "
				"is %016llx, wanted %016llx",
				(unsigned long long)(tables->first +
						     i / ENTRIES),
				(unsigned long long)(i % ENTRIES),
				(unsigned long long)found,
				(unsigned long long)wanted);
	}
	return 0;
}
