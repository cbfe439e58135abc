/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/kvm/trial.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "dirty/bitmap.h"
#include "dirty/kvm/gfn_ring.h"
#include "dirty/kvm/slots.h"
#include "util/cleanup.h"
#include "util/error.h"

#if defined(__x86_64__)

/* The least power of two that Intel's page modification logging allows, whose
 * 512 entries, and 64 more, KVM keeps free; and half as many pages more than it
 * has entries. */
#define RING_ENTRIES 1024u
#define RING_BYTES   (RING_ENTRIES * (uint32_t)sizeof(struct kvm_dirty_gfn))
#define PAGES        (RING_ENTRIES + RING_ENTRIES / 2)
#define RAM_BYTES    ((uint64_t)PAGES * RAMJET_PAGE_BYTES)
/* Chosen: below 4 GiB, and away from each other. */
#define RAM_AT  (UINT64_C(16) << 20)
#define CODE_AT 0x1000u
/* Intel without unrestricted guest mode keeps three pages here, as kvmtool has
 * it. */
#define TSS_AT 0xfffbd000ul
/* A kernel that overruns rings gets away with it when an interrupt happens to
 * end KVM_RUN at the right time: so try more than once. Chosen: all of the
 * trial takes 20 ms (measured). */
#define LAPS 16u
/* Signals end KVM_RUN early; a full ring does so twice a lap. Chosen: far more
 * than a sound kernel needs. */
#define EXITS_MAX 10000u

/* 32-bit protected mode, no paging; ebx is where, ecx how many pages. */
/* clang-format off */
static const unsigned char code[] = {
	0xff, 0x03,                         /* page: incl (%ebx)      */
	0x81, 0xc3, 0x00, 0x10, 0x00, 0x00, /*       add  $4096, %ebx */
	0x49,                               /*       dec  %ecx        */
	0x75, 0xf5,                         /*       jnz  page        */
	0xf4,                               /*       hlt              */
};
/* clang-format on */

struct trial {
	int vm_fd;
	int vcpu_fd;
	struct kvm_run *run;
	size_t run_bytes;
	void *ring;
	void *code;
	void *ram;
	struct rj_bitmap seen;
};

static void unmap(void *map, size_t bytes)
{
	if (map)
		(void)munmap(map, bytes);
}

static void trial_done(struct trial *t)
{
	unmap(t->ring, RING_BYTES);
	unmap(t->run, t->run_bytes);
	rj_close_fd(&t->vcpu_fd);
	rj_close_fd(&t->vm_fd);
	unmap(t->code, RAMJET_PAGE_BYTES);
	unmap(t->ram, RAM_BYTES);
	rj_bitmap_done(&t->seen);
}

static int untried(struct ramjet_error *err, const char *what)
{
	return rj_fail_errno(err, -errno, "kvm ring: trying it out: %s", what);
}

static int map_into(void **ret, size_t bytes, int flags, int fd, off_t at)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, at);

	if (map == MAP_FAILED)
		return -1;
	*ret = map;
	return 0;
}

static int set_slot(struct trial *t, uint32_t slot, uint64_t gpa, void *host,
		    uint64_t bytes)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = slot ? KVM_MEM_LOG_DIRTY_PAGES : 0,
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.userspace_addr = (uintptr_t)host,
	};

	return ioctl(t->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static int make_vm(struct trial *t, int kvm_fd, struct ramjet_error *err)
{
	const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
	int rc;

	do
		t->vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	while (t->vm_fd < 0 && errno == EINTR);
	if (t->vm_fd < 0)
		return untried(err, "KVM_CREATE_VM");
	rc = rj_kvm_enable_cap(t->vm_fd, KVM_CAP_DIRTY_LOG_RING, RING_BYTES);
	if (rc)
		return rj_fail_errno(err, -EOPNOTSUPP,
				     "kvm ring: KVM_CAP_DIRTY_LOG_RING (%s)",
				     strerrorname_np(-rc));
	(void)ioctl(t->vm_fd, KVM_SET_TSS_ADDR, TSS_AT);
	if (map_into(&t->code, RAMJET_PAGE_BYTES, anonymous, -1, 0) ||
	    map_into(&t->ram, RAM_BYTES, anonymous, -1, 0))
		return untried(err, "mmap");
	memcpy(t->code, code, sizeof(code));
	if (set_slot(t, 0, CODE_AT, t->code, RAMJET_PAGE_BYTES) ||
	    set_slot(t, 1, RAM_AT, t->ram, RAM_BYTES))
		return untried(err, "KVM_SET_USER_MEMORY_REGION");
	return rj_bitmap_init(&t->seen, PAGES, err);
}

static int make_flat(int fd)
{
	const struct kvm_segment data = {
		.limit = 0xffffffff,
		.selector = 16,
		.type = 3, /* accessed, writable */
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	struct kvm_sregs sregs;

	if (ioctl(fd, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cr0 |= 1; /* protected mode */
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cs = data;
	sregs.cs.selector = 8;
	sregs.cs.type = 11; /* accessed, readable code */
	return ioctl(fd, KVM_SET_SREGS, &sregs);
}

static int make_vcpu(struct trial *t, int kvm_fd, struct ramjet_error *err)
{
	const off_t ring_at = KVM_DIRTY_LOG_PAGE_OFFSET * RAMJET_PAGE_BYTES;
	int run_bytes = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *run;

	t->vcpu_fd = ioctl(t->vm_fd, KVM_CREATE_VCPU, 0);
	if (run_bytes < 0 || t->vcpu_fd < 0)
		return untried(err, "KVM_CREATE_VCPU");
	t->run_bytes = (size_t)run_bytes;
	if (map_into(&run, t->run_bytes, MAP_SHARED, t->vcpu_fd, 0))
		return untried(err, "struct kvm_run");
	t->run = run;
	if (map_into(&t->ring, RING_BYTES, MAP_SHARED, t->vcpu_fd, ring_at))
		return untried(err, "mapping a ring");
	if (make_flat(t->vcpu_fd))
		return untried(err, "KVM_SET_SREGS");
	return 0;
}

static void see(void *user, uint32_t slot, uint64_t first, uint64_t count)
{
	struct trial *t = user;

	if (slot == 1 && first < PAGES && count <= PAGES - first)
		(void)rj_bitmap_set_run(&t->seen, first, count);
}

static int harvest(struct trial *t, struct rj_gfn_ring *ring,
		   struct ramjet_error *err)
{
	int64_t flagged = rj_gfn_ring_harvest(ring, see, t);
	int reset;

	if (flagged < 0)
		return rj_fail(err, -EOPNOTSUPP,
			       "kvm ring: this kernel does not stop vCPUs "
			       "before their rings are full, but overwrites "
			       "entries and loses pages, as a trial with %u "
			       "entries and %u pages shows; use the dirty log",
			       RING_ENTRIES, PAGES);
	reset = ioctl(t->vm_fd, KVM_RESET_DIRTY_RINGS, 0);
	if (reset < 0)
		return untried(err, "KVM_RESET_DIRTY_RINGS");
	return 0;
}

/* Returns 1 when the guest has written all. */
static int run(struct trial *t, struct ramjet_error *err)
{
	if (ioctl(t->vcpu_fd, KVM_RUN, 0))
		return errno == EINTR ? 0 : untried(err, "KVM_RUN");
	switch (t->run->exit_reason) {
	case KVM_EXIT_INTR:
	case KVM_EXIT_DIRTY_RING_FULL:
		return 0;
	case KVM_EXIT_HLT:
		return 1;
	default:
		return rj_fail(err, -EIO,
			       "kvm ring: trying it out: exit reason %u",
			       t->run->exit_reason);
	}
}

/* Have the guest write all pages, and see them all in its ring. */
static int lap(struct trial *t, struct rj_gfn_ring *ring,
	       struct ramjet_error *err)
{
	const struct kvm_regs start = {
		.rip = CODE_AT,
		.rbx = RAM_AT,
		.rcx = PAGES,
		.rflags = 2,
	};
	uint64_t seen;
	int done = 0;

	if (ioctl(t->vcpu_fd, KVM_SET_REGS, &start))
		return untried(err, "KVM_SET_REGS");
	for (unsigned i = 0; !done && i < EXITS_MAX; i++) {
		int rc;

		done = run(t, err);
		if (done < 0)
			return done;
		rc = harvest(t, ring, err);
		if (rc)
			return rc;
	}
	if (!done)
		return rj_fail(err, -EOPNOTSUPP,
			       "kvm ring: a trial's vCPU comes no further "
			       "though its ring is emptied; use the dirty log");
	seen = rj_bitmap_clear_run(&t->seen, 0, PAGES);
	if (seen != PAGES)
		return rj_fail(err, -EOPNOTSUPP,
			       "kvm ring: a trial wrote %u pages, %llu of "
			       "which came through its ring; use the dirty log",
			       PAGES, (unsigned long long)seen);
	return 0;
}

int rj_kvm_trial_rings(int kvm_fd, struct ramjet_error *err)
{
	rj_cleanup(trial_done) struct trial t = { .vm_fd = -1, .vcpu_fd = -1 };
	struct rj_gfn_ring ring;
	int rc = make_vm(&t, kvm_fd, err);

	if (!rc)
		rc = make_vcpu(&t, kvm_fd, err);
	ring = (struct rj_gfn_ring){ .entries = t.ring, .count = RING_ENTRIES };
	for (unsigned i = 0; !rc && i < LAPS; i++)
		rc = lap(&t, &ring, err);
	return rc;
}

#else

int rj_kvm_trial_rings(RJ_UNUSED int kvm_fd, RJ_UNUSED struct ramjet_error *err)
{
	return 0;
}

#endif
