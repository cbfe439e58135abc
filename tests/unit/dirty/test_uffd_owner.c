/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether memory is registered with a userfaultfd, found out without a look at
 * its page tables. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dirty/uapi.h"
#include "dirty/uffd.h"
#include "dirty/uffd_owner.h"
#include "tests/unit/dirty/memory_kinds.h"

#define BYTES (UINT64_C(8) << 20)

static bool is_none(const struct rj_uffd_owner *owner, const struct memory *m,
		    uint64_t from, uint64_t bytes)
{
	const uint64_t at = (uintptr_t)m->region.host + from;

	return rj_uffd_owner_is_none(owner, at, at + bytes);
}

static struct rj_uffd_owner open_or_skip(void)
{
	struct rj_uffd_owner owner = RJ_UFFD_OWNER_NONE;

	if (!rj_uffd_owner_open(&owner)) {
		printf("# skipped: no userfaultfd, or no vDSO\n");
		skip();
	}
	return owner;
}

static int other_uffd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	};
	const int fd = rj_uffd_open(NULL);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, UFFDIO_API, &api), 0);
	return fd;
}

static bool register_part(int uffd, const struct memory *m, uint64_t from,
			  uint64_t bytes, uint64_t mode)
{
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)m->region.host + from,
			   .len = bytes },
		.mode = mode,
	};

	return !ioctl(uffd, UFFDIO_REGISTER, &reg);
}

/* How the mapping is flagged, as smaps have it. */
static bool is_flagged(const struct memory *m)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	const uint64_t at = (uintptr_t)m->region.host;
	unsigned long from = 0, to = 0, start, end;
	bool found = false;
	char line[512];

	assert_non_null(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			from = start, to = end;
		if (from < at + m->bytes && to > at &&
		    !strncmp(line, "VmFlags:", 8))
			found |= strstr(line, " um ") || strstr(line, " uw ");
	}
	(void)fclose(smaps);
	return found;
}

static void an_owner_is_found(const struct rj_uffd_owner *owner,
			      const struct memory *m, uint64_t mode)
{
	const uint64_t unit = m->unit_pages * RAMJET_PAGE_BYTES;
	const int other = other_uffd();

	assert_true(is_none(owner, m, 0, BYTES));
	if (register_part(other, m, BYTES / 2, unit, mode)) {
		assert_false(is_none(owner, m, 0, BYTES));
		assert_false(is_none(owner, m, BYTES / 2, unit));
		assert_true(is_flagged(m));
		/* What lies above it is not meant. */
		assert_true(
			is_none(owner, m, BYTES / 2 + unit, BYTES / 2 - unit));
	}
	(void)close(other);
	/* Nothing of ours was left there, nor is it his any more. */
	assert_true(is_none(owner, m, 0, BYTES));
	assert_false(is_flagged(m));
}

static void of_all_kinds_of_memory(void **state)
{
	struct rj_uffd_owner owner = open_or_skip();

	(void)state;
	for (unsigned kind = 0; kind < MEMORY_KINDS_; kind++) {
		struct memory m;

		if (!memory_make(kind, BYTES, &m))
			continue;
		an_owner_is_found(&owner, &m, UFFDIO_REGISTER_MODE_MISSING);
		an_owner_is_found(&owner, &m, UFFDIO_REGISTER_MODE_WP);
		memory_free(&m);
	}
	rj_uffd_owner_close(&owner);
}

/* Behind memory that nobody can register. */
static void also_behind_a_file(void **state)
{
	struct rj_uffd_owner owner = open_or_skip();
	FILE *file = tmpfile();
	const int other = other_uffd();
	struct memory m;

	(void)state;
	assert_non_null(file);
	assert_true(memory_make(MEMORY_ANON, BYTES, &m));
	assert_int_equal(ftruncate(fileno(file), (off_t)BYTES / 2), 0);
	assert_ptr_equal(mmap(m.region.host, BYTES / 2, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_FIXED, fileno(file), 0),
			 m.region.host);
	assert_true(is_none(&owner, &m, 0, BYTES));
	assert_true(register_part(other, &m, BYTES / 2, BYTES / 4,
				  UFFDIO_REGISTER_MODE_MISSING));
	assert_false(is_none(&owner, &m, 0, BYTES));
	(void)close(other);
	memory_free(&m);
	(void)fclose(file);
	rj_uffd_owner_close(&owner);
}

static void a_gap_says_nothing(void **state)
{
	struct rj_uffd_owner owner = open_or_skip();
	struct memory m;

	(void)state;
	assert_true(memory_make(MEMORY_ANON, BYTES, &m));
	(void)munmap(m.region.host + BYTES / 4, BYTES / 4);
	assert_false(is_none(&owner, &m, 0, BYTES));
	memory_free(&m);
	rj_uffd_owner_close(&owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_all_kinds_of_memory),
		cmocka_unit_test(also_behind_a_file),
		cmocka_unit_test(a_gap_says_nothing),
	};

	return cmocka_run_group_tests_name("uffd_owner", tests, NULL, NULL);
}
