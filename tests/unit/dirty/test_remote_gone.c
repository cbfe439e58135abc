/* SPDX-License-Identifier: BSD-3-Clause */
/* What another process does between a page being found absent and its being
 * protected. */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "dirty/write_protect.h"
#include "tests/unit/dirty/remote_tracker.h"

/* What is done before these pages are protected, once. */
static struct {
	struct remote_tracker *t;
	uint64_t page;
	bool unmapped; /* after it was written */
	unsigned done;
} between;

int __real_rj_wp_protect(int uffd, uint64_t address, uint64_t bytes,
			 struct ramjet_error *err);
int __wrap_rj_wp_protect(int uffd, uint64_t address, uint64_t bytes,
			 struct ramjet_error *err);

static bool is_of(const struct child *child, uint64_t page, uint64_t address,
		  uint64_t bytes)
{
	const uint64_t at = child->address + page * RAMJET_PAGE_BYTES;

	return at >= address && at < address + bytes;
}

int __wrap_rj_wp_protect(int uffd, uint64_t address, uint64_t bytes,
			 struct ramjet_error *err)
{
	struct remote_tracker *t = between.t;
	const uint64_t page = between.page;
	int rc;

	if (!t || !is_of(&t->child, page, address, bytes))
		return __real_rj_wp_protect(uffd, address, bytes, err);
	between.t = NULL;
	between.done++;
	child_do(&t->child, CHILD_WRITE, page, 1, 77);
	rc = __real_rj_wp_protect(uffd, address, bytes, err);
	if (between.unmapped)
		child_do(&t->child, CHILD_DONTNEED, page, t->child.unit_pages,
			 0);
	return rc;
}

/* It is written, found, sent, and discarded again before it is next looked at. */
static void check(const struct how *how, bool unmapped)
{
	struct remote_tracker t;
	uint64_t page;

	memset(&between, 0, sizeof(between));
	begin(&t, how);
	page = 3 * t.child.unit_pages;
	/* So that no marker stays. */
	child_do(&t.child, CHILD_WRITE, page, 1, 7);
	discard(&t, page, t.child.unit_pages);
	between.page = page;
	between.unmapped = unmapped;
	between.t = &t;
	assert_true(remote_collect(&t) >= 1);
	assert_int_equal(between.done, 1);
	assert_true(remote_is_marked(&t, page));
	remote_send(&t);
	assert_int_equal(t.copy[page], 77);
	discard(&t, page, t.child.unit_pages);
	assert_true(remote_collect(&t) >= 1);
	assert_true(remote_is_marked(&t, page));
	remote_send(&t);
	remote_check_copy(&t);
	remote_settle(&t, 1);
	remote_end(&t);
}

static void what_was_written_before_it_was_protected_goes_again(void **state)
{
	check(*state, false);
}

static void what_lost_its_entry_as_well_goes_again(void **state)
{
	check(*state, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		of_kind(what_was_written_before_it_was_protected_goes_again,
			MEMORY_MEMFD),
		of_kind(what_was_written_before_it_was_protected_goes_again,
			MEMORY_HUGETLB_ANON),
		of_kind(what_lost_its_entry_as_well_goes_again, MEMORY_MEMFD),
	};

	hows_init();
	return cmocka_run_group_tests_name("remote_gone", tests, NULL, NULL);
}
