/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/kvm/slots.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "util/bits.h"
#include "util/error.h"
#include "util/options.h"

/* Slot `index` of the caller's array, as far as we know its fields. */
static int load_slot(struct ramjet_kvm_slot *to,
		     const struct ramjet_kvm_slot *from, size_t index,
		     struct ramjet_error *err)
{
	const struct ramjet_kvm_slot *one = RAMJET_AT(from, index);

	if (index && one->size != from->size)
		return rj_fail(err, -EINVAL,
			       "KVM slots: number %zu is of %zu bytes, the "
			       "first of %zu",
			       index, one->size, from->size);
	return rj_options_copy("KVM slot", to, sizeof(*to), sizeof(*to), one,
			       err);
}

static int copy_slot(struct rj_kvm_slot *to, const struct ramjet_kvm_slot *from,
		     struct ramjet_error *err)
{
	if (!from->block)
		return rj_fail(err, -EINVAL, "KVM slot %u: block is NULL",
			       from->slot);
	if (!from->bytes || from->bytes % RAMJET_PAGE_BYTES ||
	    from->block_offset % RAMJET_PAGE_BYTES ||
	    from->guest_phys_addr % RAMJET_PAGE_BYTES)
		return rj_fail(err, -EINVAL,
			       "KVM slot %u: %#llx bytes at %#llx of block "
			       "%s, whole pages are wanted",
			       from->slot, (unsigned long long)from->bytes,
			       (unsigned long long)from->block_offset,
			       from->block);
	*to = (struct rj_kvm_slot){
		.slot = from->slot,
		.flags = from->flags & ~(uint32_t)KVM_MEM_LOG_DIRTY_PAGES,
		.guest_phys_addr = from->guest_phys_addr,
		.page_count = from->bytes / RAMJET_PAGE_BYTES,
		.first_page = from->block_offset / RAMJET_PAGE_BYTES,
		.block = strdup(from->block),
	};
	if (!to->block)
		return rj_fail(err, -ENOMEM, "KVM slots: out of memory");
	return 0;
}

int rj_kvm_slots_init(struct rj_kvm_slots *slots, int vm_fd,
		      const struct ramjet_kvm_slot *from, size_t count,
		      struct ramjet_error *err)
{
	if (!from || !count)
		return rj_fail(err, -EINVAL, "KVM slots: none are given");
	*slots = (struct rj_kvm_slots){ .vm_fd = vm_fd };
	slots->slots = calloc(count, sizeof(*slots->slots));
	slots->numbers = calloc(count, sizeof(*slots->numbers));
	if (!slots->slots || !slots->numbers) {
		free(slots->slots);
		free(slots->numbers);
		slots->slots = NULL;
		return rj_fail(err, -ENOMEM, "KVM slots: out of memory");
	}
	rj_mutex_init(&slots->switching);
	for (; slots->count < count; slots->count++) {
		struct ramjet_kvm_slot slot = { RAMJET_KVM_SLOT_INIT };
		int rc = load_slot(&slot, from, slots->count, err);

		if (!rc)
			rc = copy_slot(&slots->slots[slots->count], &slot, err);
		if (rc) {
			rj_kvm_slots_done(slots);
			return rc;
		}
	}
	return 0;
}

void rj_kvm_slots_done(struct rj_kvm_slots *slots)
{
	if (!slots->slots)
		return;
	for (size_t i = 0; i < slots->count; i++)
		free(slots->slots[i].block);
	free(slots->slots);
	free(slots->numbers);
	rj_mutex_done(&slots->switching);
	*slots = (struct rj_kvm_slots){ .vm_fd = -1 };
}

static int place(struct rj_kvm_slot *slot,
		 const struct ramjet_dirty_region *regions, unsigned count,
		 struct ramjet_error *err)
{
	for (unsigned i = 0; i < count; i++) {
		const struct ramjet_dirty_region *region = &regions[i];

		if (strcmp(region->name, slot->block))
			continue;
		if (slot->first_page > region->page_count ||
		    slot->page_count > region->page_count - slot->first_page)
			return rj_fail(err, -ERANGE,
				       "KVM slot %u: pages %llu to %llu of "
				       "block %s, which has %llu",
				       slot->slot,
				       (unsigned long long)slot->first_page,
				       (unsigned long long)(slot->first_page +
							    slot->page_count),
				       slot->block,
				       (unsigned long long)region->page_count);
		if (region->memory)
			return rj_fail(err, -EINVAL,
				       "KVM slot %u: block %s is not mapped "
				       "here",
				       slot->slot, slot->block);
		slot->region = i;
		slot->host =
			region->host + slot->first_page * RAMJET_PAGE_BYTES;
		return 0;
	}
	return rj_fail(err, -ENOENT, "KVM slot %u: no block is named \"%s\"",
		       slot->slot, slot->block);
}

static int by_place(const void *a, const void *b)
{
	const struct rj_kvm_slot *one = a;
	const struct rj_kvm_slot *two = b;

	if (one->region != two->region)
		return one->region < two->region ? -1 : 1;
	if (one->first_page != two->first_page)
		return one->first_page < two->first_page ? -1 : 1;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct rj_kvm_number *one = a;
	const struct rj_kvm_number *two = b;

	if (one->number != two->number)
		return one->number < two->number ? -1 : 1;
	return 0;
}

static void number(struct rj_kvm_slots *slots)
{
	for (size_t i = 0; i < slots->count; i++)
		slots->numbers[i] = (struct rj_kvm_number){
			.number = slots->slots[i].slot,
			.index = i,
		};
	qsort(slots->numbers, slots->count, sizeof(*slots->numbers), by_number);
}

int rj_kvm_slots_place(struct rj_kvm_slots *slots,
		       const struct ramjet_dirty_region *regions,
		       unsigned count, struct ramjet_error *err)
{
	for (size_t i = 0; i < slots->count; i++) {
		int rc = place(&slots->slots[i], regions, count, err);

		if (rc)
			return rc;
	}
	qsort(slots->slots, slots->count, sizeof(*slots->slots), by_place);
	for (size_t i = 0; i < slots->count; i++) {
		struct rj_kvm_slot *slot = &slots->slots[i];

		slot->reach = slot->first_page + slot->page_count;
		if (i && slot[-1].region == slot->region &&
		    slot[-1].reach > slot->reach)
			slot->reach = slot[-1].reach;
	}
	number(slots);
	return 0;
}

const struct rj_kvm_slot *rj_kvm_slots_numbered(
	const struct rj_kvm_slots *slots, uint32_t number)
{
	const struct rj_kvm_number wanted = { .number = number };
	const struct rj_kvm_number *found =
		bsearch(&wanted, slots->numbers, slots->count,
			sizeof(*slots->numbers), by_number);

	return found ? &slots->slots[found->index] : NULL;
}

/* Slots may share pages (address spaces do), so where one ends says nothing
 * of the next; how far they reach together grows. */
size_t rj_kvm_slots_find(const struct rj_kvm_slots *slots, unsigned region,
			 uint64_t first_page)
{
	size_t low = 0, high = slots->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const struct rj_kvm_slot *slot = &slots->slots[middle];

		if (slot->region < region ||
		    (slot->region == region && slot->reach <= first_page))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct rj_kvm_span rj_kvm_slot_overlap(const struct rj_kvm_slot *slot,
				       unsigned region, uint64_t first_page,
				       uint64_t page_count)
{
	const uint64_t slot_end = slot->first_page + slot->page_count;
	const uint64_t part_end = first_page + page_count;
	const uint64_t first =
		first_page > slot->first_page ? first_page : slot->first_page;
	const uint64_t end = part_end < slot_end ? part_end : slot_end;

	if (slot->region != region || first >= end)
		return (struct rj_kvm_span){ 0 };
	return (struct rj_kvm_span){ .first = first - slot->first_page,
				     .count = end - first };
}

static int set_flags(const struct rj_kvm_slots *slots,
		     const struct rj_kvm_slot *slot, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot->slot,
		.flags = flags,
		.guest_phys_addr = slot->guest_phys_addr,
		.memory_size = slot->page_count * RAMJET_PAGE_BYTES,
		.userspace_addr = (uintptr_t)slot->host,
	};

	return ioctl(slots->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno
									: 0;
}

bool rj_kvm_slot_logs(const struct rj_kvm_slot *slot)
{
	/* acquire: partner in rj_kvm_slot_log_on() */
	return atomic_load_explicit(&slot->logging, memory_order_acquire);
}

int rj_kvm_slot_log_on(struct rj_kvm_slots *slots, struct rj_kvm_slot *slot,
		       struct ramjet_error *err)
{
	int rc = 0;

	if (rj_likely(rj_kvm_slot_logs(slot)))
		return 0;
	rj_lock(&slots->switching);
	if (!rj_kvm_slot_logs(slot))
		rc = set_flags(slots, slot,
			       slot->flags | KVM_MEM_LOG_DIRTY_PAGES);
	if (!rc)
		/* release: partner in rj_kvm_slot_logs() */
		atomic_store_explicit(&slot->logging, true,
				      memory_order_release);
	rj_unlock(&slots->switching);
	if (rc)
		return rj_fail_errno(err, rc,
				     "KVM slot %u: switching dirty logging on",
				     slot->slot);
	return 0;
}

int rj_kvm_slots_log_on(struct rj_kvm_slots *slots, struct ramjet_error *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < slots->count; i++)
		rc = rj_kvm_slot_log_on(slots, &slots->slots[i], err);
	return rc;
}

void rj_kvm_slots_log_off(struct rj_kvm_slots *slots)
{
	for (size_t i = 0; i < slots->count; i++) {
		struct rj_kvm_slot *slot = &slots->slots[i];

		if (rj_kvm_slot_logs(slot))
			(void)set_flags(slots, slot, slot->flags);
		/* relaxed: nobody else is here any more */
		atomic_store_explicit(&slot->logging, false,
				      memory_order_relaxed);
	}
}

int rj_kvm_enable_cap(int vm_fd, uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { arg } };

	return ioctl(vm_fd, KVM_ENABLE_CAP, &enable) ? -errno : 0;
}

/* relaxed: others may change bits of theirs in it */
static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

uint64_t rj_words_window(const uint64_t *words, uint64_t bit_count,
			 int64_t from)
{
	uint64_t last = rj_div_round_up(bit_count, RJ_WORD_BITS);
	uint64_t at = (uint64_t)from;
	unsigned shift = at % RJ_WORD_BITS;
	uint64_t index = at / RJ_WORD_BITS;
	uint64_t low;

	if (from < 0)
		return from > -64 && last ? load(&words[0]) << -from : 0;
	if (index >= last)
		return 0;
	low = load(&words[index]) >> shift;
	if (!shift || index + 1 == last)
		return low;
	return low | load(&words[index + 1]) << (RJ_WORD_BITS - shift);
}
