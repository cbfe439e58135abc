/* SPDX-License-Identifier: BSD-3-Clause */
/* What is wrong with another process's memory, or becomes so, is told. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/unit/dirty/remote_tracker.h"

static void memory_that_is_unmapped_is_told(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;

	begin(&t, how);
	child_do(&t.child, CHILD_UNMAP, 512, 512, 0);
	remote_collect_fails(&t, -EFAULT, "was the memory unmapped, or moved?");
	remote_end(&t);
}

static void memory_that_is_moved_is_told(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;

	begin(&t, how);
	child_do(&t.child, CHILD_MOVE, 512, 1, 0);
	remote_collect_fails(&t, -EFAULT, "was the memory unmapped, or moved?");
	remote_end(&t);
}

static void memory_that_is_mapped_anew_is_told(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;

	begin(&t, how);
	child_do(&t.child, CHILD_MAP_ANEW, 512, 1, 0);
	/* Before 6.7 it is noticed when it is touched. */
	child_do(&t.child, CHILD_WRITE, 512, 1, 1);
	remote_collect_fails(&t,
			     how->mode == RAMJET_REMOTE_SYNC ? -ENOENT : -EPERM,
			     "was it mapped anew?");
	remote_end(&t);
}

static void a_process_that_is_gone_is_told(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;

	begin(&t, how);
	child_kill(&t.child);
	remote_collect_fails(&t, -ESRCH, "is gone");
	rj_dirty_set_stop(&t.set);
	assert_true(remote_start(&t) < 0);
	remote_end(&t);
}

static void a_process_may_be_killed_in_a_collect(void **state)
{
	struct how *how = *state;

	for (unsigned i = 0; i < 20; i++) {
		struct remote_tracker t;
		struct rj_bitmap *bitmaps[] = { &t.map };
		uint64_t marked;
		int rc = 0;

		begin(&t, how);
		child_do(&t.child, CHILD_MISBEHAVE, 0, PAGES, 1);
		assert_int_equal(kill(t.child.pid, SIGKILL), 0);
		for (unsigned n = 0; !rc && n < 1000000; n++)
			rc = rj_dirty_set_collect(&t.set, NULL, bitmaps,
						  &marked, &t.err);
		assert_true(rc == -ESRCH || rc == -EFAULT || rc == -EPERM);
		assert_int_equal(waitpid(t.child.pid, NULL, 0), t.child.pid);
		t.child.pid = 0;
		remote_end(&t);
	}
}

static void a_userfaultfd_of_its_own_is_told(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;

	remote_make(&t, how->kind, how->mode);
	child_do(&t.child, CHILD_REGISTER, 100, 2, 0);
	assert_int_equal(remote_start(&t), -EBUSY);
	assert_non_null(strstr(t.err.message,
			       "block ram0: its memory is registered with a "
			       "userfaultfd of process"));
	assert_non_null(strstr(t.err.message, "itself (post-copy"));
	remote_end(&t);
}

/* They are protected as a whole, or not at all. */
static void huge_pages_must_be_known(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;

	remote_make(&t, how->kind, how->mode);
	t.child.region.page_bytes = RAMJET_PAGE_BYTES;
	assert_int_equal(remote_start(&t), -EINVAL);
	assert_non_null(strstr(t.err.message, "are huge pages there"));
	remote_end(&t);
}

static void says_what_is_wrong(void **state)
{
	struct how *how = *state;
	struct ramjet_remote_range range = { RAMJET_REMOTE_RANGE_INIT,
					     .block = "ram1" };
	struct ramjet_dirty_remote remote = { RAMJET_DIRTY_REMOTE_INIT };
	struct ramjet_dirty_source *source;
	struct remote_tracker t;

	memset(&t, 0, sizeof(t));
	if (!child_start(&t.child, how->kind, BYTES, -1))
		skip();
	assert_int_equal(ramjet_dirty_remote_new(NULL, &source, NULL), -EINVAL);
	assert_int_equal(ramjet_dirty_remote_new(&remote, &source, NULL),
			 -EINVAL);
	remote.userfaultfd = t.child.uffd;
	assert_int_equal(ramjet_dirty_remote_new(&remote, &source, NULL),
			 -EINVAL);
	remote.pagemap_fd = t.child.pagemap_fd;
	assert_int_equal(ramjet_dirty_remote_new(&remote, &source, &t.err),
			 -EINVAL);
	assert_string_equal(t.err.message, "remote: no ranges are given");
	remote.ranges = &range;
	remote.range_count = 1;
	assert_int_equal(ramjet_dirty_remote_new(&remote, &source, NULL),
			 -EINVAL);
	range.address = t.child.address + 1;
	assert_int_equal(ramjet_dirty_remote_new(&remote, &source, NULL),
			 -EINVAL);
	range.address = t.child.address;
	remote.mode = 3;
	assert_int_equal(ramjet_dirty_remote_new(&remote, &source, NULL),
			 -EINVAL);
	remote_make_of(&t, how->mode, &range, 1);
	assert_int_equal(remote_start(&t), -ENOENT);
	assert_non_null(strstr(t.err.message, "no block is named \"ram1\""));
	t.child.region.name = "ram1";
	t.child.region.page_count = 0;
	assert_int_equal(remote_start(&t), -ERANGE);
	remote_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		of_some(memory_that_is_unmapped_is_told),
		of_some(memory_that_is_moved_is_told),
		of_some(memory_that_is_mapped_anew_is_told),
		of_some(a_process_that_is_gone_is_told),
		of_some(a_process_may_be_killed_in_a_collect),
		of_kind(a_userfaultfd_of_its_own_is_told, MEMORY_ANON),
		of_kind(huge_pages_must_be_known, MEMORY_HUGETLB_ANON),
		of_kind(says_what_is_wrong, MEMORY_ANON),
	};

	hows_init();
	return cmocka_run_group_tests_name("remote_errors", tests, NULL, NULL);
}
