/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/kvm/clear.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "util/bits.h"
#include "util/error.h"

/* Words handled on the stack, and pages (128 MiB) that KVM protects at a time,
 * during which vCPUs that fault wait. Chosen: a page of stack, and a call for
 * that much costs next to nothing beside what it protects. */
#define BATCH_WORDS 512u

/* Clear the bits of words[0..count), which start at page `first` of the slot,
 * a multiple of 64. */
static int clear_log(int vm_fd, const struct rj_kvm_slot *slot, uint64_t first,
		     uint64_t *words, size_t count, struct ramjet_error *err)
{
	uint64_t pages = count * RJ_WORD_BITS;
	uint64_t room = slot->page_count - first;
	struct kvm_clear_dirty_log log = {
		.slot = slot->slot,
		.first_page = first,
		.num_pages = (uint32_t)(pages < room ? pages : room),
		.dirty_bitmap = words,
	};

	if (!ioctl(vm_fd, KVM_CLEAR_DIRTY_LOG, &log))
		return 0;
	return rj_fail_errno(err, -errno,
			     "KVM_CLEAR_DIRTY_LOG of slot %u, %u pages at "
			     "page %llu",
			     slot->slot, log.num_pages,
			     (unsigned long long)first);
}

int rj_kvm_clear_words(int vm_fd, const struct rj_kvm_slot *slot,
		       uint64_t first_page, const uint64_t *words, size_t count,
		       struct ramjet_error *err)
{
	uint64_t bits = count * RJ_WORD_BITS;
	uint64_t begin = first_page > slot->first_page
				 ? first_page - slot->first_page
				 : 0;
	uint64_t end = first_page + bits - slot->first_page;
	uint64_t at = begin - begin % RJ_WORD_BITS;

	if (end > slot->page_count)
		end = slot->page_count;
	while (at < end) {
		uint64_t batch[BATCH_WORDS];
		uint64_t first = at;
		uint64_t any = 0;
		size_t n = 0;

		for (; n < BATCH_WORDS && at < end; n++, at += RJ_WORD_BITS) {
			int64_t from =
				(int64_t)(slot->first_page + at - first_page);

			batch[n] = rj_words_window(words, bits, from);
			if (end - at < RJ_WORD_BITS)
				batch[n] &=
					rj_bit_span(0, (unsigned)(end - at));
			any |= batch[n];
		}
		if (any) {
			int rc = clear_log(vm_fd, slot, first, batch, n, err);

			if (rc)
				return rc;
		}
	}
	return 0;
}

int rj_kvm_clear_span(int vm_fd, const struct rj_kvm_slot *slot,
		      struct rj_kvm_span span, struct ramjet_error *err)
{
	const uint64_t end = span.first + span.count;
	uint64_t at = span.first - span.first % RJ_WORD_BITS;
	int rc = 0;

	while (!rc && at < end) {
		const uint64_t most = BATCH_WORDS * RJ_WORD_BITS;
		const uint64_t pages = end - at < most ? end - at : most;
		const size_t count = rj_div_round_up(pages, RJ_WORD_BITS);
		uint64_t batch[BATCH_WORDS];

		memset(batch, 0xff, count * sizeof(*batch));
		if (at < span.first)
			batch[0] <<= span.first - at;
		if (pages % RJ_WORD_BITS)
			batch[count - 1] &=
				rj_bit_span(0, (unsigned)pages % RJ_WORD_BITS);
		rc = clear_log(vm_fd, slot, at, batch, count, err);
		at += pages;
	}
	return rc;
}
