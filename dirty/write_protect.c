/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/write_protect.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "dirty/uffd.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/* ---- setting up -------------------------------------------------------- */

/* The handshake failed: find out what this kernel does not offer. */
static int features_missing(int rc, uint64_t wanted, struct ramjet_error *err)
{
	struct uffdio_api api = { .api = UFFD_API };
	rj_autoclose int fd = rj_uffd_open(NULL);

	if (fd >= 0 && !ioctl(fd, UFFDIO_API, &api) && ~api.features & wanted)
		return rj_fail(
			err, -EOPNOTSUPP,
			"userfaultfd: this kernel lacks the features "
			"%#llx, %s is wanted",
			(unsigned long long)(~api.features & wanted),
			wanted & UFFD_FEATURE_WP_ASYNC
				? "asynchronous write protection (Linux 6.7)"
				: "write protection (Linux 5.19)");
	return rj_fail_errno(err, rc, "userfaultfd: UFFDIO_API");
}

int rj_wp_handshake(int uffd, uint64_t features, struct ramjet_error *err)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	return ioctl(uffd, UFFDIO_API, &api)
		       ? features_missing(-errno, features, err)
		       : 0;
}

int rj_wp_register(int uffd, uint64_t address, uint64_t bytes,
		   bool *ret_is_hugetlb)
{
	struct uffdio_register reg = {
		.range = { .start = address, .len = bytes },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	/* Of all memory that can be registered, only hugetlb has no zero page. */
	if (ret_is_hugetlb)
		*ret_is_hugetlb =
			!(reg.ioctls & (UINT64_C(1) << _UFFDIO_ZEROPAGE));
	return 0;
}

int rj_wp_unregister(int uffd, uint64_t address, uint64_t bytes)
{
	struct uffdio_range range = { .start = address, .len = bytes };

	return ioctl(uffd, UFFDIO_UNREGISTER, &range) ? -errno : 0;
}

void rj_wp_wake(int uffd, uint64_t address, uint64_t bytes)
{
	struct uffdio_range range = { .start = address, .len = bytes };

	(void)ioctl(uffd, UFFDIO_WAKE, &range);
}

/* ---- protecting -------------------------------------------------------- */

const struct rj_pagescan_query rj_wp_written_and_protect = {
	.flags = RJ_PM_SCAN_WP_MATCHING | RJ_PM_SCAN_CHECK_WPASYNC,
	.mask = RJ_PAGE_IS_WRITTEN,
	.anyof = RJ_PAGE_IS_PRESENT | RJ_PAGE_IS_SWAPPED,
	.told = RJ_PAGE_IS_HUGE,
};

static int protect_failed(int rc, const char *what, uint64_t address,
			  struct ramjet_error *err)
{
	if (rc == -ENOENT)
		return rj_fail(err, rc,
			       "%s at %#llx: not registered for write "
			       "protection (was it mapped anew?)",
			       what, (unsigned long long)address);
	return rj_fail_errno(err, rc, "%s at %#llx", what,
			     (unsigned long long)address);
}

int rj_wp_protect(int uffd, uint64_t address, uint64_t bytes,
		  struct ramjet_error *err)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = address, .len = bytes },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int rc;

	/* EAGAIN: the address space is being changed right now. */
	do {
		rc = ioctl(uffd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
	} while (rc == -EAGAIN || rc == -EINTR);
	return rc ? protect_failed(rc, "UFFDIO_WRITEPROTECT", address, err) : 0;
}

void rj_wp_lift(int uffd, uint64_t address, uint64_t bytes)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = address, .len = bytes },
	};
	int rc;

	do {
		rc = ioctl(uffd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
	} while (rc == -EAGAIN || rc == -EINTR);
	/* Not registered any more, say: nothing is protected then. */
	if (rc)
		rj_wp_wake(uffd, address, bytes);
}

/* At `from`, as far as nothing is there. */
static int fill_zero(int uffd, uint64_t from, uint64_t end, uint64_t *ret_bytes)
{
	struct uffdio_zeropage zero = {
		.range = { .start = from, .len = end - from },
	};
	const int rc = ioctl(uffd, UFFDIO_ZEROPAGE, &zero) ? -errno : 0;

	*ret_bytes = zero.zeropage > 0 ? (uint64_t)zero.zeropage : 0;
	return *ret_bytes ? 0 : rc;
}

int rj_wp_protect_zero(int uffd, uint64_t address, uint64_t bytes,
		       struct ramjet_error *err)
{
	const uint64_t end = address + bytes;
	uint64_t at = address, done;

	while (at < end) {
		const int rc = fill_zero(uffd, at, end, &done);

		/* Somebody has touched the page in between. */
		if (rc == -EEXIST)
			done = RAMJET_PAGE_BYTES;
		else if (rc && rc != -EAGAIN && rc != -EINTR)
			return protect_failed(rc, "UFFDIO_ZEROPAGE", at, err);
		at += done;
	}
	return rj_wp_protect(uffd, address, bytes, err);
}

/* ---- what it costs ----------------------------------------------------- */

#define TRIAL_PAGES 256u
#define TRIAL_BYTES (TRIAL_PAGES * (size_t)RAMJET_PAGE_BYTES)

/* One byte a page of the trial memory; nanoseconds it took. */
static uint64_t touch_all(uint8_t *memory)
{
	const uint64_t began = rj_now_ns();

	for (unsigned i = 0; i < TRIAL_PAGES; i++)
		*(volatile uint8_t *)&memory[i * RAMJET_PAGE_BYTES] = 1;
	return rj_now_ns() - began;
}

static int scan_and_protect(struct rj_scan_pool *scans, const uint8_t *memory,
			    struct ramjet_error *err)
{
	struct rj_pagescan *scan = rj_scan_pool_take(scans, err);
	int rc;

	if (!scan)
		return -ENOMEM;
	rc = rj_pagescan_run(scan, &rj_wp_written_and_protect, memory,
			     TRIAL_PAGES, NULL, NULL, err);
	rj_scan_pool_give(scans, scan);
	return rc;
}

static int try_on(int uffd, struct rj_scan_pool *scans, uint8_t *memory,
		  uint64_t *ret_cost_ns, struct ramjet_error *err)
{
	uint64_t first_ns, again_ns;
	int rc;

	(void)touch_all(memory);
	if (rj_wp_register(uffd, (uintptr_t)memory, TRIAL_BYTES, NULL))
		return 0;
	rc = scans ? scan_and_protect(scans, memory, err)
		   : rj_wp_protect(uffd, (uintptr_t)memory, TRIAL_BYTES, err);
	if (rc)
		return rc;
	first_ns = touch_all(memory);
	again_ns = touch_all(memory);
	if (first_ns > again_ns)
		*ret_cost_ns = (first_ns - again_ns) / TRIAL_PAGES;
	return 0;
}

int rj_wp_try(int uffd, struct rj_scan_pool *scans, uint64_t *ret_cost_ns,
	      struct ramjet_error *err)
{
	uint8_t *memory = mmap(NULL, TRIAL_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	if (memory == MAP_FAILED)
		return rj_fail_errno(err, -errno,
				     "write protection: memory to try it");
	rc = try_on(uffd, scans, memory, ret_cost_ns, err);
	(void)munmap(memory, TRIAL_BYTES);
	return rc;
}
