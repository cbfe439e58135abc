/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dirty/remote_tracker.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void remote_make_of(struct remote_tracker *t, uint32_t mode,
		    const struct ramjet_remote_range *ranges, size_t count)
{
	struct ramjet_dirty_remote remote = { RAMJET_DIRTY_REMOTE_INIT };
	int rc;

	remote.userfaultfd = t->child.uffd;
	remote.pagemap_fd = t->child.pagemap_fd;
	remote.pid = t->child.pid;
	remote.mode = mode;
	remote.ranges = ranges;
	remote.range_count = count;
	t->copy = calloc(t->child.region.page_count, 1);
	assert_non_null(t->copy);
	assert_int_equal(
		rj_bitmap_init(&t->map, t->child.region.page_count, NULL), 0);
	rc = ramjet_dirty_remote_new(&remote, &t->source, &t->err);
	if (rc == -EOPNOTSUPP) {
		printf("# skipped: %s\n", t->err.message);
		skip();
	}
	assert_int_equal(rc, 0);
}

void remote_make(struct remote_tracker *t, enum memory_kind kind, uint32_t mode)
{
	struct ramjet_remote_range all = { RAMJET_REMOTE_RANGE_INIT,
					   .block = "ram0" };

	memset(t, 0, sizeof(*t));
	if (!child_start(&t->child, kind, BYTES, -1))
		skip();
	all.address = t->child.address;
	remote_make_of(t, mode, &all, 1);
}

int remote_start(struct remote_tracker *t)
{
	int rc = rj_dirty_set_start(&t->set, &t->source, 1, &t->child.region, 1,
				    &t->err);

	if (!rc && rj_dirty_set_needs_arm(&t->set))
		rc = rj_dirty_set_arm(&t->set, 0, 0, t->child.region.page_count,
				      &t->err);
	return rc;
}

void remote_begin(struct remote_tracker *t)
{
	int rc = remote_start(t);

	if (rc == -EPERM && strstr(t->err.message, "UFFD_USER_MODE_ONLY")) {
		printf("# skipped: %s\n", t->err.message);
		skip();
	}
	if (rc)
		printf("# %s\n", t->err.message);
	assert_int_equal(rc, 0);
}

static int collect(struct remote_tracker *t, bool last, uint64_t *ret_marked)
{
	const struct rj_dirty_walk walk = { .last = last };
	struct rj_bitmap *bitmaps[] = { &t->map };

	return rj_dirty_set_collect(&t->set, &walk, bitmaps, ret_marked,
				    &t->err);
}

uint64_t remote_collect_as(struct remote_tracker *t, bool last)
{
	uint64_t marked = 0;
	int rc = collect(t, last, &marked);

	if (rc)
		printf("# %s\n", t->err.message);
	assert_int_equal(rc, 0);
	return marked;
}

uint64_t remote_collect(struct remote_tracker *t)
{
	return remote_collect_as(t, false);
}

void remote_collect_fails(struct remote_tracker *t, int wanted,
			  const char *part)
{
	uint64_t marked;
	int rc = collect(t, false, &marked);

	if (rc != wanted || !strstr(t->err.message, part))
		printf("# %d: %s\n", rc, rc ? t->err.message : "");
	assert_int_equal(rc, wanted);
	assert_non_null(strstr(t->err.message, part));
	assert_non_null(strstr(t->err.message, "ram0"));
}

static void send_chunk(struct remote_tracker *t, uint64_t chunk,
		       const uint64_t words[RJ_CHUNK_WORDS])
{
	const uint64_t first = chunk * RJ_CHUNK_PAGES;
	uint8_t page[RAMJET_PAGE_BYTES];

	assert_int_equal(rj_dirty_set_rearm(&t->set, 0, first, words,
					    RJ_CHUNK_WORDS, &t->err),
			 0);
	for (uint64_t i = 0; i < RJ_CHUNK_PAGES; i++) {
		if (!(words[i / 64] >> i % 64 & 1))
			continue;
		assert_true(child_read(&t->child, first + i, page));
		t->copy[first + i] = page[0];
	}
}

void remote_send(struct remote_tracker *t)
{
	uint64_t chunk = 0;

	while ((chunk = rj_bitmap_next_chunk(&t->map, chunk,
					     t->map.chunk_count)) <
	       t->map.chunk_count) {
		uint64_t words[RJ_CHUNK_WORDS] = { 0 };

		(void)rj_bitmap_claim_chunk(&t->map, chunk, words);
		send_chunk(t, chunk, words);
	}
}

void remote_send_pages(struct remote_tracker *t, uint64_t first, uint64_t count)
{
	(void)rj_bitmap_set_run(&t->map, first, count);
	remote_send(t);
}

void remote_settle(struct remote_tracker *t, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		if (!remote_collect(t))
			return;
		remote_send(t);
	}
	assert_int_equal(remote_collect(t), 0);
}

void remote_forget(struct remote_tracker *t)
{
	rj_bitmap_clear_run(&t->map, 0, t->map.page_count);
}

bool remote_is_marked(const struct remote_tracker *t, uint64_t page)
{
	return rj_bitmap_test(&t->map, page);
}

void remote_check_copy(struct remote_tracker *t)
{
	uint8_t page[RAMJET_PAGE_BYTES];

	for (uint64_t i = 0; i < t->child.region.page_count; i++) {
		assert_true(child_read(&t->child, i, page));
		if (page[0] != t->copy[i])
			printf("# page %llu\n", (unsigned long long)i);
		assert_int_equal(page[0], t->copy[i]);
	}
}

void remote_end(struct remote_tracker *t)
{
	rj_dirty_set_stop(&t->set);
	ramjet_dirty_free(t->source);
	rj_bitmap_done(&t->map);
	free(t->copy);
	child_end(&t->child);
}

struct how hows[MEMORY_KINDS_][RAMJET_REMOTE_SYNC + 1];

void hows_init(void)
{
	for (unsigned i = 0; i < MEMORY_KINDS_; i++)
		for (unsigned mode = 0; mode <= RAMJET_REMOTE_SYNC; mode++)
			hows[i][mode] =
				(struct how){ (enum memory_kind)i, mode };
}

static bool is_thp(const struct how *how)
{
	return how->kind == MEMORY_THP || how->kind == MEMORY_MEMFD_THP;
}

void begin(struct remote_tracker *t, const struct how *how)
{
	remote_make(t, how->kind, how->mode);
	/* Half of it is never touched, but where the first touch makes a huge
	 * page. */
	child_do(&t->child, CHILD_WRITE, 0, is_thp(how) ? PAGES : PAGES / 2, 1);
	remote_begin(t);
	remote_send_pages(t, 0, is_thp(how) ? PAGES : PAGES / 2);
}

void discard(struct remote_tracker *t, uint64_t page, uint64_t count)
{
	if (t->child.region.fd >= 0)
		child_do(&t->child, CHILD_PUNCH, page, count, 0);
	child_do(&t->child, CHILD_DONTNEED, page, count, 0);
}
