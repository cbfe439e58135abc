/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * KVM's dirty log: a bitmap a slot, which vCPUs set.
 *
 * With manual protection (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) collect() only
 * reads the bitmaps; rearm() clears the bits of pages that are about to be
 * read and write-protects those again, in small pieces, so that nobody waits
 * for long. Without it KVM_GET_DIRTY_LOG does both at once and there is no
 * rearm().
 *
 * How logging begins is a choice. Protecting everything at once costs in
 * proportion to what is populated, with vCPUs waiting. KVM can also call all
 * pages dirty and protect none (INITIALLY_SET), which costs nothing, since
 * rearm() will do it; but then it would report memory never touched, too. So
 * that is taken where at least half is populated, and what is not populated
 * is cleared right away: the migration looks for populated memory only after
 * that, and finds what was written before.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "dirty/kvm_slots.h"
#include "dirty/populated.h"
#include "dirty/source.h"
#include "util/bits.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/options.h"

/* Words handled on the stack: 128 MiB of guest memory. */
#define BATCH_WORDS 512u

struct kvm_log {
	/* immutable after start */
	struct rj_kvm_slots slots;
	bool offers_protection; /* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 */
	uint32_t protection;    /* what of it is to be used */
	const struct ramjet_dirty_region *regions; /* borrowed until stop */
	unsigned region_count;
	/* owned by the control thread */
	uint64_t *words; /* of the largest slot */
};

/* ---- talking to KVM ---------------------------------------------------- */

static int get_log(struct kvm_log *l, const struct rj_kvm_slot *slot,
		   struct ramjet_error *err)
{
	struct kvm_dirty_log log = {
		.slot = slot->slot,
		.dirty_bitmap = l->words,
	};
	int rc = ioctl(l->slots.vm_fd, KVM_GET_DIRTY_LOG, &log) ? -errno : 0;

	if (rc == -ENXIO)
		return rj_fail(err, -EOPNOTSUPP,
			       "KVM_GET_DIRTY_LOG: the VM has no log, since "
			       "its dirty rings are enabled");
	if (rc)
		return rj_fail_errno(err, rc, "KVM_GET_DIRTY_LOG of slot %u",
				     slot->slot);
	return 0;
}

/* Clear the bits of words[0..count), which start at page `first` of the slot,
 * a multiple of 64. */
static int clear_log(const struct kvm_log *l, const struct rj_kvm_slot *slot,
		     uint64_t first, uint64_t *words, size_t count,
		     struct ramjet_error *err)
{
	uint64_t pages = count * RJ_WORD_BITS;
	uint64_t room = slot->page_count - first;
	struct kvm_clear_dirty_log log = {
		.slot = slot->slot,
		.first_page = first,
		.num_pages = (uint32_t)(pages < room ? pages : room),
		.dirty_bitmap = words,
	};

	if (!ioctl(l->slots.vm_fd, KVM_CLEAR_DIRTY_LOG, &log))
		return 0;
	return rj_fail_errno(err, -errno,
			     "KVM_CLEAR_DIRTY_LOG of slot %u, %u pages at "
			     "page %llu",
			     slot->slot, log.num_pages,
			     (unsigned long long)first);
}

/*
 * Clear what is set in words[0..count), which start at page `first_page` of
 * the block and may begin and end anywhere, as far as it lies in the slot.
 */
static int clear_block_words(const struct kvm_log *l,
			     const struct rj_kvm_slot *slot,
			     uint64_t first_page, const uint64_t *words,
			     size_t count, struct ramjet_error *err)
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
			int rc = clear_log(l, slot, first, batch, n, err);

			if (rc)
				return rc;
		}
	}
	return 0;
}

/* ---- starting ---------------------------------------------------------- */

/* Bitmaps of the populated pages, one a region. */
struct populated {
	struct rj_bitmap *maps;
	unsigned count;
};

static void populated_done(struct populated *p)
{
	for (unsigned i = 0; i < p->count; i++)
		rj_bitmap_done(&p->maps[i]);
	free(p->maps);
}

static int populated_scan(struct populated *p, const struct kvm_log *l,
			  struct ramjet_error *err)
{
	p->maps = calloc(l->region_count, sizeof(*p->maps));
	if (!p->maps)
		return rj_fail(err, -ENOMEM, "kvm log: out of memory");
	for (; p->count < l->region_count; p->count++) {
		const struct ramjet_dirty_region *region =
			&l->regions[p->count];
		struct rj_bitmap *map = &p->maps[p->count];
		enum rj_populated_method method;
		const char *reason;
		int rc = rj_bitmap_init(map, region->page_count, err);

		if (rc)
			return rc;
		rc = rj_populated_scan(region, map, &method, &reason, err);
		if (rc) {
			rj_bitmap_done(map);
			return rc;
		}
	}
	return 0;
}

static bool mostly_populated(const struct populated *p)
{
	uint64_t populated = 0;
	uint64_t pages = 0;

	for (unsigned i = 0; i < p->count; i++) {
		populated += rj_bitmap_count(&p->maps[i]);
		pages += p->maps[i].page_count;
	}
	return populated >= pages - populated;
}

static int clear_unpopulated(const struct kvm_log *l,
			     const struct rj_kvm_slot *slot,
			     const struct rj_bitmap *map,
			     struct ramjet_error *err)
{
	uint64_t word = slot->first_page / RJ_WORD_BITS;
	uint64_t end = rj_div_round_up(slot->first_page + slot->page_count,
				       RJ_WORD_BITS);

	while (word < end) {
		uint64_t first_page = word * RJ_WORD_BITS;
		uint64_t batch[BATCH_WORDS];
		size_t n = 0;
		int rc;

		for (; n < BATCH_WORDS && word < end; n++, word++)
			batch[n] = ~atomic_load(&map->words[word]);
		rc = clear_block_words(l, slot, first_page, batch, n, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int begin_logging(struct kvm_log *l, const struct populated *p,
			 struct ramjet_error *err)
{
	uint32_t protection = l->protection;
	int rc;

	if (!mostly_populated(p))
		protection &= ~(uint32_t)KVM_DIRTY_LOG_INITIALLY_SET;
	if (l->offers_protection) {
		rc = rj_kvm_enable_cap(l->slots.vm_fd,
				       KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
				       protection);
		if (rc)
			return rj_fail_errno(
				err, rc, "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
	}
	rc = rj_kvm_slots_log_on(&l->slots, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < l->slots.count; i++) {
		const struct rj_kvm_slot *slot = &l->slots.slots[i];

		/* Fails here for a VM that has dirty rings instead of the
		 * log. */
		rc = get_log(l, slot, err);
		if (!rc && protection & KVM_DIRTY_LOG_INITIALLY_SET)
			rc = clear_unpopulated(l, slot, &p->maps[slot->region],
					       err);
		if (rc)
			return rc;
	}
	return 0;
}

static int allocate_words(struct kvm_log *l, struct ramjet_error *err)
{
	uint64_t most = 0;

	for (size_t i = 0; i < l->slots.count; i++)
		if (l->slots.slots[i].page_count > most)
			most = l->slots.slots[i].page_count;
	l->words =
		calloc(rj_div_round_up(most, RJ_WORD_BITS), sizeof(uint64_t));
	if (!l->words)
		return rj_fail(err, -ENOMEM, "kvm log: out of memory");
	return 0;
}

static int kvm_log_start(void *user, const struct ramjet_dirty_region *regions,
			 unsigned count, struct ramjet_error *err)
{
	struct kvm_log *l = user;
	rj_cleanup(populated_done) struct populated populated = { 0 };
	int rc = rj_kvm_slots_place(&l->slots, regions, count, err);

	if (rc)
		return rc;
	l->regions = regions;
	l->region_count = count;
	rc = allocate_words(l, err);
	if (!rc)
		rc = populated_scan(&populated, l, err);
	if (!rc)
		rc = begin_logging(l, &populated, err);
	return rc;
}

/* ---- tracking ---------------------------------------------------------- */

/* The slot's words, shifted to where they are in the block. */
static void mark_shifted(const struct kvm_log *l,
			 const struct rj_kvm_slot *slot,
			 struct ramjet_dirty_sink *sink)
{
	uint64_t word = slot->first_page / RJ_WORD_BITS;
	uint64_t end = rj_div_round_up(slot->first_page + slot->page_count,
				       RJ_WORD_BITS);

	while (word < end) {
		uint64_t first_page = word * RJ_WORD_BITS;
		uint64_t batch[BATCH_WORDS];
		size_t n = 0;

		for (; n < BATCH_WORDS && word < end; n++, word++)
			batch[n] = rj_words_window(
				l->words, slot->page_count,
				(int64_t)(word * RJ_WORD_BITS) -
					(int64_t)slot->first_page);
		ramjet_dirty_mark_words(sink, slot->region, first_page, batch,
					n);
	}
}

static int kvm_log_collect(void *user, struct ramjet_dirty_sink *sink,
			   struct ramjet_error *err)
{
	struct kvm_log *l = user;

	for (size_t i = 0; i < l->slots.count; i++) {
		const struct rj_kvm_slot *slot = &l->slots.slots[i];
		int rc = get_log(l, slot, err);

		if (rc)
			return rc;
		if (slot->first_page % RJ_WORD_BITS)
			mark_shifted(l, slot, sink);
		else
			ramjet_dirty_mark_words(
				sink, slot->region, slot->first_page, l->words,
				rj_div_round_up(slot->page_count,
						RJ_WORD_BITS));
	}
	return 0;
}

static int kvm_log_rearm(void *user, unsigned region, uint64_t first_page,
			 const uint64_t *words, size_t count,
			 struct ramjet_error *err)
{
	const struct kvm_log *l = user;
	uint64_t end = first_page + count * RJ_WORD_BITS;

	for (size_t i = 0; i < l->slots.count; i++) {
		const struct rj_kvm_slot *slot = &l->slots.slots[i];
		int rc;

		if (slot->region < region ||
		    (slot->region == region &&
		     slot->first_page + slot->page_count <= first_page))
			continue;
		if (slot->region > region || slot->first_page >= end)
			break;
		rc = clear_block_words(l, slot, first_page, words, count, err);
		if (rc)
			return rc;
	}
	return 0;
}

static void kvm_log_stop(void *user)
{
	struct kvm_log *l = user;

	rj_kvm_slots_log_off(&l->slots);
	free(l->words);
	l->words = NULL;
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
	rc = ramjet_dirty_new(&ops, l, ret, err);
	if (rc)
		return rc;
	(void)rj_steal(user);
	return 0;
}
