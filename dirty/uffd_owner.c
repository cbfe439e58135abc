/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UFFDIO_REGISTER looks at all mappings of a range, one after the other, before
 * it changes any: it fails with EBUSY at the first that another userfaultfd
 * has, and with EINVAL at one that none can have. So a range that begins with
 * the memory in question, and ends with a mapping of the second kind, is never
 * registered, and the error tells who comes first. (EBUSY may be about a
 * mapping between the two: then the answer is "perhaps".)
 *
 * That mapping is the kernel's own vDSO: made when the program was started, it
 * lies above all that was mapped later (of what does not, nothing is known). As
 * the order of the checks is nowhere promised, it is tried each time, on a page
 * of our own, that both errors come when they should.
 */
#include "dirty/uffd_owner.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "dirty/mappings.h"
#include "dirty/uapi.h"
#include "dirty/uffd.h"
#include "ramjet.h"
#include "util/cleanup.h"

static int open_uffd(void)
{
	/* Shared memory, too: a kernel that can't protect it would say EINVAL of
	 * it, whoever has it. */
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			    UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
	};
	rj_autoclose int fd = rj_uffd_open(NULL);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		return -1;
	return rj_steal_fd(&fd);
}

/* -EBUSY: the mapping at `from`, or one further on, has an owner. Registered
 * for write protection, if it comes to that: this does nothing to memory of
 * which no page is protected. */
static int try_to_take(int uffd, uint64_t from, uint64_t end)
{
	struct uffdio_register reg = {
		.range = { .start = from, .len = end - from },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	return ioctl(uffd, UFFDIO_REGISTER, &reg) ? -errno : 0;
}

static bool is_refused(int rc)
{
	return rc == -EINVAL || rc == -EPERM;
}

/* A page of our own before and after another userfaultfd has it. */
static bool try_out(const struct rj_uffd_owner *owner, uint64_t page)
{
	rj_autoclose int other = open_uffd();

	return other >= 0 &&
	       is_refused(try_to_take(owner->uffd, page, owner->beyond)) &&
	       !try_to_take(other, page, page + RAMJET_PAGE_BYTES) &&
	       try_to_take(owner->uffd, page, owner->beyond) == -EBUSY;
}

bool rj_uffd_owner_open(struct rj_uffd_owner *ret)
{
	const uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
	struct rj_uffd_owner owner = RJ_UFFD_OWNER_NONE;
	void *page;
	bool works;

	if (!vdso)
		return false;
	owner.beyond = vdso + RAMJET_PAGE_BYTES;
	owner.uffd = open_uffd();
	page = mmap(NULL, RAMJET_PAGE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	works = owner.uffd >= 0 && page != MAP_FAILED &&
		(uintptr_t)page < vdso && try_out(&owner, (uintptr_t)page);
	if (page != MAP_FAILED)
		(void)munmap(page, RAMJET_PAGE_BYTES);
	if (works)
		*ret = owner;
	else
		rj_uffd_owner_close(&owner);
	return works;
}

void rj_uffd_owner_close(struct rj_uffd_owner *owner)
{
	rj_close_fd(&owner->uffd);
}

/* Each mapping by itself: one that no userfaultfd takes hides what follows. */
static bool has_none(void *user, const struct rj_mapping *mapping)
{
	const struct rj_uffd_owner *owner = user;

	return mapping->end < owner->beyond &&
	       is_refused(
		       try_to_take(owner->uffd, mapping->start, owner->beyond));
}

bool rj_uffd_owner_is_none(const struct rj_uffd_owner *owner, uint64_t from,
			   uint64_t end)
{
	return rj_mappings_of(from, end, has_none, (void *)(uintptr_t)owner);
}
