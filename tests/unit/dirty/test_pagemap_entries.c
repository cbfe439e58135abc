/* SPDX-License-Identifier: BSD-3-Clause */
/* What another process has populated, by its pagemap. */
#include "dirty/pagemap_entries.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dirty/pagescan.h"
#include "tests/unit/cmocka_all.h"

#define PAGES 3000u /* more than is read at once */

struct other {
	uint8_t *memory; /* at the same address there */
	pid_t pid;
	int pagemap;
};

/* A child that has touched some pages, and waits to be killed. */
static int setup(void **state)
{
	static struct other other;
	char path[64], byte;
	int ready[2];

	other.memory =
		mmap(NULL, PAGES * RAMJET_PAGE_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(other.memory, MAP_FAILED);
	(void)madvise(other.memory, PAGES * RAMJET_PAGE_BYTES, MADV_NOHUGEPAGE);
	assert_int_equal(pipe(ready), 0);
	other.pid = fork();
	assert_true(other.pid >= 0);
	if (!other.pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned i = 0; i < 3; i++)
			other.memory[(1 + i) * RAMJET_PAGE_BYTES] = 1;
		other.memory[(PAGES - 1) * RAMJET_PAGE_BYTES] = 1;
		(void)!write(ready[1], "x", 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", other.pid);
	other.pagemap = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(other.pagemap >= 0);
	*state = &other;
	return 0;
}

static void end(struct other *other)
{
	if (other->pid) {
		(void)kill(other->pid, SIGKILL);
		assert_int_equal(waitpid(other->pid, NULL, 0), other->pid);
	}
	other->pid = 0;
}

static int teardown(void **state)
{
	struct other *other = *state;

	end(other);
	(void)close(other->pagemap);
	(void)munmap(other->memory, PAGES * RAMJET_PAGE_BYTES);
	return 0;
}

struct seen {
	uint64_t first[8], count[8];
	unsigned runs;
	unsigned give_up_at;
};

static int note(void *user, uint64_t first, uint64_t count,
		struct ramjet_error *err)
{
	struct seen *seen = user;

	(void)err;
	assert_true(seen->runs < 8);
	seen->first[seen->runs] = first;
	seen->count[seen->runs++] = count;
	return seen->runs == seen->give_up_at ? -EINTR : 0;
}

static int look(const struct other *other, struct seen *seen,
		struct ramjet_error *err)
{
	return rj_pagemap_entries_run(other->pagemap, (uintptr_t)other->memory,
				      PAGES, note, seen, err);
}

static void touched_pages_are_told(void **state)
{
	struct seen seen = { 0 };

	assert_int_equal(look(*state, &seen, NULL), 0);
	assert_int_equal(seen.runs, 2);
	assert_int_equal(seen.first[0], 1);
	assert_int_equal(seen.count[0], 3);
	assert_int_equal(seen.first[1], PAGES - 1);
	assert_int_equal(seen.count[1], 1);
}

static void who_is_told_may_end_it(void **state)
{
	struct seen seen = { .give_up_at = 1 };

	assert_int_equal(look(*state, &seen, NULL), -EINTR);
	assert_int_equal(seen.runs, 1);
}

/* A scan with its descriptor tells the same. */
static void a_scan_takes_its_descriptor(void **state)
{
	const struct rj_pagescan_query query = {
		.anyof = RJ_PAGE_IS_PRESENT,
	};
	const struct other *other = *state;
	struct rj_scan_pool pool = { .opened = false };
	struct rj_pagescan scan, *pooled;
	struct ramjet_error err = { 0 };
	uint64_t page = 0;
	int rc;

	assert_int_equal(rj_pagescan_open_at(&scan, other->pagemap, &err), 0);
	rc = rj_pagescan_first(&scan, &query, other->memory, PAGES, &page,
			       &err);
	if (rc == -EOPNOTSUPP) {
		rj_pagescan_close(&scan);
		print_message("# %s\n", err.message);
		skip();
	}
	assert_int_equal(rc, 0);
	assert_int_equal(page, 1);
	rj_pagescan_close(&scan);
	assert_int_equal(rj_scan_pool_open_at(&pool, other->pagemap, &err), 0);
	pooled = rj_scan_pool_take(&pool, &err);
	assert_non_null(pooled);
	page = 0;
	assert_int_equal(
		rj_pagescan_first(pooled, &query,
				  other->memory + 4 * RAMJET_PAGE_BYTES,
				  PAGES - 4, &page, &err),
		0);
	assert_int_equal(page, PAGES - 5);
	rj_scan_pool_give(&pool, pooled);
	rj_scan_pool_close(&pool);
	assert_int_equal(rj_pagescan_open_at(&scan, -1, &err), -EBADF);
	assert_int_equal(rj_scan_pool_open_at(&pool, -1, &err), -EBADF);
}

static void a_process_that_is_gone_is_found_out(void **state)
{
	struct ramjet_error err = { 0 };
	struct other *other = *state;
	struct seen seen = { 0 };

	assert_int_equal(rj_pagemap_entries_alive(other->pagemap, &err), 0);
	end(other);
	assert_int_equal(rj_pagemap_entries_alive(other->pagemap, &err),
			 -ESRCH);
	assert_non_null(strstr(err.message, "gone"));
	assert_int_equal(look(other, &seen, &err), -ESRCH);
	assert_int_equal(seen.runs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(touched_pages_are_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_is_told_may_end_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_scan_takes_its_descriptor,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_process_that_is_gone_is_found_out, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
