/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/remote/kernel_faults.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "dirty/pagemap_entries.h"
#include "dirty/write_protect.h"
#include "util/error.h"

/* The guest may write the page at that moment, too, and have it lifted. */
#define TRIES 3u

static int note_first(void *user, uint64_t first_page, RJ_UNUSED uint64_t count,
		      RJ_UNUSED struct ramjet_error *err)
{
	*(uint64_t *)user = first_page;
	return -ECANCELED;
}

/* process_vm_writev() of what cannot be read here: the page is made writable
 * there, and nothing is written. 0, or -EPERM where it is not allowed. */
static int fault_in(int pid, uint64_t address)
{
	void *nothing = mmap(NULL, RAMJET_PAGE_BYTES, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec here = { nothing, 1 };
	struct iovec there = { (void *)(uintptr_t)address, 1 };
	int rc;

	if (nothing == MAP_FAILED)
		return -EPERM;
	rc = process_vm_writev(pid, &here, 1, &there, 1, 0) < 0 ? -errno : 0;
	(void)munmap(nothing, RAMJET_PAGE_BYTES);
	return rc == -EFAULT ? 0 : -EPERM;
}

static int protect(int uffd, const struct rj_remote_range *range,
		   uint64_t address, struct ramjet_error *err)
{
	if (range->backing == RJ_BACKING_PRIVATE_ANON && !range->is_hugetlb)
		return rj_wp_protect_zero(uffd, address, range->unit, err);
	return rj_wp_protect(uffd, address, range->unit, err);
}

/* 1: lifted; 0: not; or a negative errno. */
static int is_lifted(int pagemap_fd, uint64_t address, struct ramjet_error *err)
{
	uint64_t entry;
	const int rc = rj_pagemap_entries_read(
		pagemap_fd, address / RAMJET_PAGE_BYTES, &entry, 1, err);

	return rc < 0 ? rc : !(entry & RJ_ENTRY_WP);
}

int rj_kernel_faults_try(const struct rj_lifter *lifter, int pagemap_fd,
			 int pid, const struct rj_remote_range *range,
			 struct ramjet_error *err)
{
	uint64_t page = 0, address;
	int rc = rj_pagemap_entries_run(pagemap_fd, range->address,
					range->page_count, note_first, &page,
					NULL);

	if (rc && rc != -ECANCELED)
		return rj_fail_errno(err, rc, "process %d", pid);
	address = (range->address + page * RAMJET_PAGE_BYTES) &
		  ~(range->unit - 1);
	for (unsigned i = 0; i < TRIES; i++) {
		rc = protect(lifter->uffd, range, address, err);
		if (!rc && fault_in(pid, address))
			break;
		if (!rc)
			rc = is_lifted(pagemap_fd, address, err);
		if (rc <= 0)
			break;
	}
	rj_wp_lift(lifter->uffd, address, range->unit);
	if (rc < 0)
		return rc;
	return rc ? 0
		  : rj_fail(err, -EPERM,
			    "the userfaultfd of process %d is not told of the "
			    "kernel's own faults (UFFD_USER_MODE_ONLY), and "
			    "KVM's would fail: one without that flag is "
			    "wanted, before Linux 6.7",
			    pid);
}
