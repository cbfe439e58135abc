/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * KVM's dirty rings: a vCPU that writes a protected page puts the page into
 * its ring and goes on with the page writable. To harvest is to read entries
 * in order and flag them; KVM_RESET_DIRTY_RINGS then protects their pages
 * again and frees the entries. Pages are read only after the reset, so a
 * write is either in what is read or makes a new entry.
 *
 * A vCPU whose ring is full leaves KVM_RUN and has it harvested, whenever
 * that happens; so harvested pages wait in a bitmap for the next collect. The
 * lock keeps harvesting and resetting together.
 */
#include "dirty/kvm/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "dirty/kvm/gfn_ring.h"
#include "dirty/kvm/slots.h"
#include "dirty/kvm/trial.h"
#include "dirty/source.h"
#include "util/bits.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/mutex.h"
#include "util/options.h"

/* A pending signal may cut a reset short, again and again. Chosen: so many in
 * a row are no chance, and the collect fails. */
#define RESET_TRIES 1000u

struct kvm_ring {
	/* immutable after ramjet_dirty_kvm_ring_new() */
	struct rj_kvm_slots slots;
	uint32_t ring_bytes;
	size_t ring_count;
	/* immutable while tracking */
	unsigned region_count;

	struct rj_mutex lock;
	/* guarded by lock */
	struct rj_gfn_ring *rings RJ_GUARDED_BY(lock);
	uint64_t unreset RJ_GUARDED_BY(lock); /* harvested, not yet reset */
	bool tracking RJ_GUARDED_BY(lock);
	struct rj_bitmap *waiting RJ_GUARDED_BY(lock); /* a region; or NULL */
	struct ramjet_error failure RJ_GUARDED_BY(lock);
};

/* ---- harvesting -------------------------------------------------------- */

/* Called under the lock, which the analysis does not see through `user`. */
static void note(void *user, uint32_t number, uint64_t first,
		 uint64_t count) RJ_NO_TSA
{
	struct kvm_ring *k = user;
	const struct rj_kvm_slot *slot;

	/* Nor need slots have been placed then. */
	if (!k->tracking)
		return;
	slot = rj_kvm_slots_numbered(&k->slots, number);
	if (!slot || first >= slot->page_count ||
	    count > slot->page_count - first)
		(void)rj_fail(&k->failure, -ERANGE,
			      "a dirty ring names page %llu of slot %#x, which "
			      "is not in the list of slots",
			      (unsigned long long)first, number);
	else
		(void)rj_bitmap_set_run(&k->waiting[slot->region],
					slot->first_page + first, count);
}

/* An overrun is for good: KVM counts on from where it is, so it will find its
 * ring full however often it is emptied. */
static int harvest_locked(struct kvm_ring *k, size_t vcpu) RJ_REQUIRES(k->lock)
{
	struct rj_gfn_ring *ring = &k->rings[vcpu];
	int64_t flagged = rj_gfn_ring_harvest(ring, note, k);

	if (flagged < 0)
		return rj_fail(&k->failure, (int)flagged,
			       "the dirty ring of vCPU %zu was overrun by the "
			       "kernel: pages are lost",
			       vcpu);
	k->unreset += (uint64_t)flagged;
	return 0;
}

/* Until the reset, writes to these pages are not seen. */
static int reset_locked(struct kvm_ring *k) RJ_REQUIRES(k->lock)
{
	for (unsigned i = 0; k->unreset && i < RESET_TRIES; i++) {
		int count = ioctl(k->slots.vm_fd, KVM_RESET_DIRTY_RINGS, 0);

		if (count < 0 && errno != EINTR)
			return rj_fail_errno(&k->failure, -errno,
					     "KVM_RESET_DIRTY_RINGS");
		if (count > 0)
			k->unreset -= (uint64_t)count < k->unreset
					      ? (uint64_t)count
					      : k->unreset;
	}
	if (k->unreset)
		return rj_fail(&k->failure, -EIO,
			       "KVM_RESET_DIRTY_RINGS: %llu entries stay "
			       "harvested and are not reset",
			       (unsigned long long)k->unreset);
	return 0;
}

static int harvest_all_locked(struct kvm_ring *k) RJ_REQUIRES(k->lock)
{
	for (size_t i = 0; i < k->ring_count; i++)
		(void)harvest_locked(k, i);
	(void)reset_locked(k);
	return k->failure.code;
}

static int copy_failure(const struct ramjet_error *failure,
			struct ramjet_error *err)
{
	return failure->code
		       ? rj_fail(err, failure->code, "%s", failure->message)
		       : 0;
}

/* ---- the source -------------------------------------------------------- */

static void waiting_free(struct rj_bitmap *waiting, unsigned count)
{
	for (unsigned i = 0; waiting && i < count; i++)
		rj_bitmap_done(&waiting[i]);
	free(waiting);
}

static int waiting_new(const struct ramjet_dirty_region *regions,
		       unsigned count, struct rj_bitmap **ret,
		       struct ramjet_error *err)
{
	struct rj_bitmap *waiting = calloc(count ? count : 1, sizeof(*waiting));

	if (!waiting)
		return rj_fail(err, -ENOMEM, "kvm ring: out of memory");
	for (unsigned i = 0; i < count; i++) {
		int rc =
			rj_bitmap_init(&waiting[i], regions[i].page_count, err);

		if (rc) {
			waiting_free(waiting, count);
			return rc;
		}
	}
	*ret = waiting;
	return 0;
}

/* Calling all pages dirty without protecting them would be the end of rings:
 * KVM must protect everything when logging is switched on. */
static int protect_at_start(const struct kvm_ring *k, struct ramjet_error *err)
{
	const uint32_t cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2;
	int rc = 0;

	if (ioctl(k->slots.vm_fd, KVM_CHECK_EXTENSION, cap) > 0)
		rc = rj_kvm_enable_cap(k->slots.vm_fd, cap, 0);
	if (rc)
		return rj_fail_errno(err, rc,
				     "switching off manual protection");
	return 0;
}

static int begin_locked(struct kvm_ring *k, struct rj_bitmap *waiting)
	RJ_REQUIRES(k->lock)
{
	/* Entries from before tracking are not wanted: reset them. */
	k->failure = (struct ramjet_error){ 0 };
	k->waiting = waiting;
	(void)harvest_all_locked(k);
	k->tracking = true;
	return k->failure.code;
}

static int kvm_ring_start(void *user, const struct ramjet_dirty_region *regions,
			  unsigned count, struct ramjet_error *err)
{
	struct kvm_ring *k = user;
	struct rj_bitmap *waiting = NULL;
	int rc;

	rc = rj_kvm_slots_place(&k->slots, regions, count, err);
	if (!rc)
		rc = protect_at_start(k, err);
	if (!rc)
		rc = waiting_new(regions, count, &waiting, err);
	if (rc)
		return rc;
	k->region_count = count;
	rj_lock(&k->lock);
	rc = begin_locked(k, waiting);
	if (rc)
		rc = copy_failure(&k->failure, err);
	rj_unlock(&k->lock);
	if (rc)
		return rc;
	return rj_kvm_slots_log_on(&k->slots, err);
}

static void hand_over(struct rj_bitmap *waiting, unsigned region,
		      struct ramjet_dirty_sink *sink)
{
	uint64_t end = waiting->chunk_count;
	uint64_t chunk = 0;

	while ((chunk = rj_bitmap_next_chunk(waiting, chunk, end)) < end) {
		uint64_t words[RJ_CHUNK_WORDS] = { 0 };

		if (rj_bitmap_claim_chunk(waiting, chunk, words))
			ramjet_dirty_mark_words(sink, region,
						chunk * RJ_CHUNK_PAGES, words,
						RJ_CHUNK_WORDS);
		chunk++;
	}
}

static int kvm_ring_collect(void *user, struct ramjet_dirty_sink *sink,
			    struct ramjet_error *err)
{
	struct kvm_ring *k = user;
	int rc;

	rj_lock(&k->lock);
	rc = harvest_all_locked(k);
	for (unsigned i = 0; !rc && i < k->region_count; i++)
		hand_over(&k->waiting[i], i, sink);
	if (rc)
		rc = copy_failure(&k->failure, err);
	rj_unlock(&k->lock);
	return rc;
}

static void kvm_ring_stop(void *user)
{
	struct kvm_ring *k = user;

	rj_kvm_slots_log_off(&k->slots);
	rj_lock(&k->lock);
	k->tracking = false;
	(void)harvest_all_locked(k);
	waiting_free(k->waiting, k->region_count);
	k->waiting = NULL;
	rj_unlock(&k->lock);
}

static void kvm_ring_free(void *user)
{
	struct kvm_ring *k = user;

	for (size_t i = 0; i < k->ring_count; i++)
		(void)munmap(k->rings[i].entries, k->ring_bytes);
	free(k->rings);
	rj_mutex_done(&k->lock);
	rj_kvm_slots_done(&k->slots);
	free(k);
}
RJ_DEFINE_CLEANUP(void *, kvm_ring_free);

static const struct ramjet_dirty_ops kvm_ring_ops = {
	RAMJET_DIRTY_OPS_INIT,   .name = "kvm ring",
	.start = kvm_ring_start, .collect = kvm_ring_collect,
	.stop = kvm_ring_stop,   .free = kvm_ring_free,
};

RAMJET_API int ramjet_dirty_kvm_ring_full(struct ramjet_dirty_source *source,
					  size_t vcpu, struct ramjet_error *err)
{
	struct kvm_ring *k;
	int rc;

	if (!source || source->ops.start != kvm_ring_start)
		return rj_fail(err, -EINVAL,
			       "dirty ring full: not a source of KVM rings");
	k = source->user;
	if (vcpu >= k->ring_count)
		return rj_fail(err, -EINVAL, "dirty ring full: vCPU %zu of %zu",
			       vcpu, k->ring_count);
	rj_lock(&k->lock);
	/* A page of an unknown slot fails the next collect, not the vCPU's
	 * exit. */
	rc = harvest_locked(k, vcpu);
	if (!rc)
		rc = reset_locked(k);
	if (rc)
		rc = copy_failure(&k->failure, err);
	rj_unlock(&k->lock);
	return rc;
}

/* ---- making one -------------------------------------------------------- */

/*
 * Whether page `index` after the offset of rings belongs to a ring: KVM
 * refuses to map those privately, and maps what lies beyond.
 */
static bool is_ring_page(int fd, uint64_t index)
{
	off_t at = (off_t)((KVM_DIRTY_LOG_PAGE_OFFSET + index) *
			   RAMJET_PAGE_BYTES);
	void *page =
		mmap(NULL, RAMJET_PAGE_BYTES, PROT_READ, MAP_PRIVATE, fd, at);

	if (page == MAP_FAILED)
		return errno == EINVAL;
	(void)munmap(page, RAMJET_PAGE_BYTES);
	return false;
}

static int check_size(int fd, uint32_t bytes, struct ramjet_error *err)
{
	uint64_t pages = bytes / RAMJET_PAGE_BYTES;

	if (!pages || !rj_is_power_of_two(bytes))
		return rj_fail(err, -EINVAL,
			       "kvm ring: %u bytes, a power of two from %u on "
			       "is wanted",
			       bytes, RAMJET_PAGE_BYTES);
	if (!KVM_DIRTY_LOG_PAGE_OFFSET || !is_ring_page(fd, 0))
		return rj_fail(err, -EOPNOTSUPP,
			       "kvm ring: the VM has none, "
			       "KVM_CAP_DIRTY_LOG_RING must be enabled before "
			       "vCPUs are created");
	if (!is_ring_page(fd, pages - 1) || is_ring_page(fd, pages))
		return rj_fail(err, -EINVAL,
			       "kvm ring: the VM's rings do not have %u bytes",
			       bytes);
	return 0;
}

static int map_rings(struct kvm_ring *k, const int *fds, size_t count,
		     struct ramjet_error *err)
{
	const off_t at = (off_t)KVM_DIRTY_LOG_PAGE_OFFSET * RAMJET_PAGE_BYTES;

	if (!fds || !count)
		return rj_fail(err, -EINVAL, "kvm ring: no vCPUs are given");
	k->rings = calloc(count, sizeof(*k->rings));
	if (!k->rings)
		return rj_fail(err, -ENOMEM, "kvm ring: out of memory");
	for (; k->ring_count < count; k->ring_count++) {
		int fd = fds[k->ring_count];
		int rc = check_size(fd, k->ring_bytes, err);
		void *map;

		if (rc)
			return rc;
		map = mmap(NULL, k->ring_bytes, PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, at);
		if (map == MAP_FAILED)
			return rj_fail_errno(err, -errno,
					     "kvm ring: mapping that of vCPU "
					     "%zu",
					     k->ring_count);
		k->rings[k->ring_count] = (struct rj_gfn_ring){
			.entries = map,
			.count = k->ring_bytes / sizeof(struct kvm_dirty_gfn),
		};
	}
	return 0;
}

int rj_kvm_ring_new(const struct ramjet_dirty_kvm_ring *ring,
		    struct ramjet_dirty_source **ret, struct ramjet_error *err)
{
	rj_cleanup(kvm_ring_freep) void *user = NULL;
	struct kvm_ring *k;
	int rc;

	user = k = calloc(1, sizeof(*k));
	if (!k)
		return rj_fail(err, -ENOMEM, "kvm ring: out of memory");
	rj_mutex_init(&k->lock);
	k->ring_bytes = ring->ring_bytes;
	rc = rj_kvm_slots_init(&k->slots, ring->vm_fd, ring->slots,
			       ring->slot_count, err);
	if (!rc)
		rc = map_rings(k, ring->vcpu_fds, ring->vcpu_count, err);
	if (!rc)
		rc = ramjet_dirty_new(&kvm_ring_ops, k, ret, err);
	if (rc)
		return rc;
	(void)rj_steal(user);
	return 0;
}

static int try_out(int kvm_fd, struct ramjet_error *err)
{
	rj_autoclose int opened = -1;

	if (kvm_fd < 0) {
		kvm_fd = opened = open("/dev/kvm", O_RDWR | O_CLOEXEC);
		if (opened < 0)
			return rj_fail_errno(err, -errno,
					     "kvm ring: /dev/kvm, to try out "
					     "whether rings are sound");
	}
	return rj_kvm_trial_rings(kvm_fd, err);
}

RAMJET_API int ramjet_dirty_kvm_ring_new(
	const struct ramjet_dirty_kvm_ring *ring,
	struct ramjet_dirty_source **ret, struct ramjet_error *err)
{
	const size_t least = offsetof(struct ramjet_dirty_kvm_ring, kvm_fd) +
			     sizeof(ring->kvm_fd);
	struct ramjet_dirty_kvm_ring known = { RAMJET_DIRTY_KVM_RING_INIT };
	struct ramjet_dirty_source *source = NULL;
	int rc;

	if (!ret)
		return rj_fail(err, -EINVAL, "kvm ring: ret is NULL");
	rc = rj_options_copy("kvm ring", &known, sizeof(known), least, ring,
			     err);
	if (!rc)
		rc = rj_kvm_ring_new(&known, &source, err);
	if (!rc)
		rc = try_out(known.kvm_fd, err);
	if (rc) {
		ramjet_dirty_free(source);
		return rc;
	}
	*ret = source;
	return 0;
}
