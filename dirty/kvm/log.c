/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * KVM's dirty log: a bitmap a slot, which vCPUs set.
 *
 * With manual protection (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) a collect only
 * reads the bitmaps; rearm() clears the bits of pages that are about to be
 * read and write-protects those again, in small pieces, so that nobody waits
 * for long. What is not cleared stays in the log, so the last collect has
 * nothing to leave out. Without manual protection KVM_GET_DIRTY_LOG does both
 * at once, for a slot as a whole, the last time as well; there is no rearm().
 *
 * How logging begins. Protecting everything at once takes as long as memory is
 * large. KVM can also call all pages dirty and protect none (INITIALLY_SET),
 * which takes no time; then arm() switches a slot's log on when the first part
 * of it is armed (KVM allocates its bitmap then), and clears the part's bits.
 * To clear is to protect: every page that is mapped for the guest for writing
 * is so no longer when KVM_CLEAR_DIRTY_LOG returns, and TLBs are flushed. So
 * for any page of the part, of writes by vCPUs:
 *
 * - one before the clear put something there: who looks what is populated,
 *   after arm(), finds the page, and reads it after that;
 * - one after the clear, whether the page was there before or not, faults,
 *   and sets the bit: a later collect reports it, until rearm() of the page;
 * - a page without either has no bit and is not there: it is never reported.
 *
 * It does not matter which pages KVM finds: what is not mapped for the guest
 * it has nothing to protect of, allocates nothing, and logs at the first write.
 * To look first, and clear only what is not populated (as this source once
 * did), saves none of that, since rearm() protects the rest; and it costs a
 * second look.
 *
 * A copy of the log is taken once a collect (kvm_copy.h), while parts may still
 * be armed. A part that is armed when it is asked for need not have been when
 * its slot was copied: then all of it reads as written. So arm() forgets the
 * part's bits in the copy as well, after it cleared them in KVM. KVM does not
 * clear while it copies, and the other way round: a copy that was taken before
 * the clear is complete when the clear returns, and what is forgotten of one
 * that was taken after it stays in the log, for the next collect. That is soon
 * enough: this one began before arm() returned.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "dirty/kvm/clear.h"
#include "dirty/kvm/copy.h"
#include "dirty/kvm/slots.h"
#include "dirty/source.h"
#include "util/bits.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/options.h"

/* Words handled on the stack. */
#define BATCH_WORDS 512u

struct kvm_log {
	/* immutable after start */
	struct rj_kvm_slots slots;
	bool offers_protection; /* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 */
	uint32_t protection;    /* what of it is to be used */

	struct rj_kvm_copy copy; /* while tracking */
};

/* ---- which slots ------------------------------------------------------- */

static size_t first_slot(const struct kvm_log *l,
			 const struct ramjet_dirty_part *part)
{
	return rj_kvm_slots_find(&l->slots, part->region, part->first_page);
}

/* This slot, and so all after it, have nothing of the part. */
static bool is_beyond(const struct rj_kvm_slot *slot,
		      const struct ramjet_dirty_part *part)
{
	return slot->region > part->region ||
	       slot->first_page >= part->first_page + part->page_count;
}

/* The first slot from *index on that has pages of the part, and which pages of
 * the slot these are; false: there is none any more. */
static bool next_overlap(const struct kvm_log *l,
			 const struct ramjet_dirty_part *part, size_t *index,
			 struct rj_kvm_span *ret)
{
	for (; *index < l->slots.count; ++*index) {
		const struct rj_kvm_slot *slot = &l->slots.slots[*index];

		if (is_beyond(slot, part))
			return false;
		*ret = rj_kvm_slot_overlap(slot, part->region, part->first_page,
					   part->page_count);
		if (ret->count)
			return true;
	}
	return false;
}

/* ---- starting ---------------------------------------------------------- */

/* A VM that has dirty rings instead of the log says so before it looks for the
 * slot, which need not be logged yet (if it is, it is copied). */
static int refuse_rings(const struct kvm_log *l, struct ramjet_error *err)
{
	struct kvm_dirty_log log = {
		.slot = l->slots.slots[0].slot,
		.dirty_bitmap = l->copy.copies[0].words,
	};

	if (ioctl(l->slots.vm_fd, KVM_GET_DIRTY_LOG, &log) && errno == ENXIO)
		return rj_fail(err, -EOPNOTSUPP,
			       "KVM_GET_DIRTY_LOG: the VM has no log, since "
			       "its dirty rings are enabled");
	return 0;
}

static bool begins_by_parts(const struct kvm_log *l)
{
	return l->protection & KVM_DIRTY_LOG_INITIALLY_SET;
}

static int kvm_log_start(void *user, const struct ramjet_dirty_region *regions,
			 unsigned count, struct ramjet_error *err)
{
	struct kvm_log *l = user;
	int rc = rj_kvm_slots_place(&l->slots, regions, count, err);

	if (!rc)
		rc = rj_kvm_copy_init(&l->copy, &l->slots, err);
	if (!rc)
		rc = refuse_rings(l, err);
	if (rc)
		return rc;
	if (l->offers_protection) {
		rc = rj_kvm_enable_cap(l->slots.vm_fd,
				       KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
				       l->protection);
		if (rc)
			return rj_fail_errno(
				err, rc, "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
	}
	return begins_by_parts(l) ? 0 : rj_kvm_slots_log_on(&l->slots, err);
}

/* ---- arming ------------------------------------------------------------ */

static int arm_slot(struct kvm_log *l, size_t index, struct rj_kvm_span span,
		    struct ramjet_error *err)
{
	struct rj_kvm_slot *slot = &l->slots.slots[index];
	int rc = rj_kvm_slot_log_on(&l->slots, slot, err);

	if (!rc)
		rc = rj_kvm_clear_span(l->slots.vm_fd, slot, span, err);
	if (!rc)
		rj_kvm_copy_forget(&l->copy, index, span.first, span.count);
	return rc;
}

static int kvm_log_arm(void *user, const struct ramjet_dirty_part *part,
		       struct ramjet_error *err)
{
	struct kvm_log *l = user;
	struct rj_kvm_span span;

	for (size_t i = first_slot(l, part); next_overlap(l, part, &i, &span);
	     i++) {
		const int rc = arm_slot(l, i, span, err);

		if (rc)
			return rc;
	}
	return 0;
}

/* ---- collecting -------------------------------------------------------- */

/* Pages [first_page, end) of the block, from a slot whose words are shifted
 * against the block's. */
static void mark_shifted(const struct rj_kvm_slot *slot, const uint64_t *words,
			 uint64_t first_page, uint64_t end,
			 struct ramjet_dirty_sink *sink)
{
	uint64_t word = first_page / RJ_WORD_BITS;
	const uint64_t last = rj_div_round_up(end, RJ_WORD_BITS);

	while (word < last) {
		uint64_t batch[BATCH_WORDS];
		uint64_t from = word * RJ_WORD_BITS;
		size_t n = 0;

		for (; n < BATCH_WORDS && word < last; n++, word++)
			batch[n] = rj_words_window(
				words, slot->page_count,
				(int64_t)(word * RJ_WORD_BITS) -
					(int64_t)slot->first_page);
		ramjet_dirty_mark_words(sink, slot->region, from, batch, n);
	}
}

static int mark_slot(struct kvm_log *l, size_t index, struct rj_kvm_span span,
		     struct ramjet_dirty_sink *sink, struct ramjet_error *err)
{
	const struct rj_kvm_slot *slot = &l->slots.slots[index];
	const uint64_t *words = l->copy.copies[index].words;
	const uint64_t first_page = slot->first_page + span.first;
	int rc;

	/* Of a slot that is not logged no part is armed yet. */
	if (!rj_kvm_slot_logs(slot))
		return 0;
	rc = rj_kvm_copy_want(&l->copy, index, err);
	if (rc)
		return rc;
	if (slot->first_page % RJ_WORD_BITS)
		mark_shifted(slot, words, first_page, first_page + span.count,
			     sink);
	else
		ramjet_dirty_mark_words(
			sink, slot->region, first_page,
			&words[span.first / RJ_WORD_BITS],
			rj_div_round_up(span.count, RJ_WORD_BITS));
	return 0;
}

static int kvm_log_collect_begin(void *user, RJ_UNUSED uint32_t flags,
				 RJ_UNUSED struct ramjet_error *err)
{
	struct kvm_log *l = user;

	rj_kvm_copy_begin(&l->copy);
	return 0;
}

static int kvm_log_collect_part(void *user,
				const struct ramjet_dirty_part *part,
				struct ramjet_dirty_sink *sink,
				struct ramjet_error *err)
{
	struct kvm_log *l = user;
	struct rj_kvm_span span;

	for (size_t i = first_slot(l, part); next_overlap(l, part, &i, &span);
	     i++) {
		const int rc = mark_slot(l, i, span, sink, err);

		if (rc)
			return rc;
	}
	return 0;
}

/* All that is logged, in one part a slot. */
static int kvm_log_collect(void *user, struct ramjet_dirty_sink *sink,
			   struct ramjet_error *err)
{
	struct kvm_log *l = user;
	int rc = 0;

	rj_kvm_copy_begin(&l->copy);
	for (size_t i = 0; !rc && i < l->slots.count; i++) {
		const struct rj_kvm_span all = {
			.count = l->slots.slots[i].page_count,
		};

		rc = mark_slot(l, i, all, sink, err);
	}
	return rc;
}

static int kvm_log_rearm(void *user, unsigned region, uint64_t first_page,
			 const uint64_t *words, size_t count,
			 struct ramjet_error *err)
{
	const struct kvm_log *l = user;
	const struct ramjet_dirty_part part = {
		.region = region,
		.first_page = first_page,
		.page_count = count * RJ_WORD_BITS,
	};
	struct rj_kvm_span span;

	for (size_t i = first_slot(l, &part); next_overlap(l, &part, &i, &span);
	     i++) {
		const int rc =
			rj_kvm_clear_words(l->slots.vm_fd, &l->slots.slots[i],
					   first_page, words, count, err);

		if (rc)
			return rc;
	}
	return 0;
}

static void kvm_log_stop(void *user)
{
	struct kvm_log *l = user;

	rj_kvm_slots_log_off(&l->slots);
	rj_kvm_copy_done(&l->copy);
}

static void kvm_log_free(void *user)
{
	struct kvm_log *l = user;

	rj_kvm_slots_done(&l->slots);
	free(l);
}
RJ_DEFINE_CLEANUP(void *, kvm_log_free);

static int find_protection(struct kvm_log *l, bool automatic,
			   struct ramjet_error *err)
{
	int offered = ioctl(l->slots.vm_fd, KVM_CHECK_EXTENSION,
			    KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);

	if (offered < 0)
		return rj_fail_errno(err, -errno, "kvm log: vm_fd");
	l->offers_protection = offered;
	if (!automatic)
		l->protection = (uint32_t)offered &
				(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
				 KVM_DIRTY_LOG_INITIALLY_SET);
	return 0;
}

RAMJET_API int ramjet_dirty_kvm_log_new(const struct ramjet_dirty_kvm_log *log,
					struct ramjet_dirty_source **ret,
					struct ramjet_error *err)
{
	const size_t least =
		offsetof(struct ramjet_dirty_kvm_log, automatic_protection) +
		sizeof(log->automatic_protection);
	struct ramjet_dirty_kvm_log known = { RAMJET_DIRTY_KVM_LOG_INIT };
	struct ramjet_dirty_ops ops = {
		RAMJET_DIRTY_OPS_INIT,
		.name = "kvm log without manual protection",
		.start = kvm_log_start,
		.collect = kvm_log_collect,
		.stop = kvm_log_stop,
		.free = kvm_log_free,
		.collect_part = kvm_log_collect_part,
		.collect_begin = kvm_log_collect_begin,
	};
	rj_cleanup(kvm_log_freep) void *user = NULL;
	struct kvm_log *l;
	int rc;

	rc = rj_options_copy("kvm log", &known, sizeof(known), least, log, err);
	if (rc)
		return rc;
	user = l = calloc(1, sizeof(*l));
	if (!l)
		return rj_fail(err, -ENOMEM, "kvm log: out of memory");
	rc = rj_kvm_slots_init(&l->slots, known.vm_fd, known.slots,
			       known.slot_count, err);
	if (rc)
		return rc;
	rc = find_protection(l, known.automatic_protection, err);
	if (rc)
		return rc;
	if (l->protection) {
		ops.name = "kvm log";
		ops.rearm = kvm_log_rearm;
	}
	if (begins_by_parts(l))
		ops.arm = kvm_log_arm;
	rc = ramjet_dirty_new(&ops, l, ret, err);
	if (rc)
		return rc;
	(void)rj_steal(user);
	return 0;
}
