/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel tells by address is what /proc/self/maps says. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dirty/mappings.h"
#include "tests/unit/dirty/memory_kinds.h"

#define PAGE     ((uint64_t)RAMJET_PAGE_BYTES)
#define SEEN_MAX 64u
#define NO_LIMIT SEEN_MAX
/* Pieces of five pages each. */
#define PIECE  (5 * PAGE)
#define PIECES 4u

struct seen {
	struct rj_mapping all[SEEN_MAX];
	unsigned count;
	unsigned limit; /* no more are wanted then */
};

static bool note(void *user, const struct rj_mapping *mapping)
{
	struct seen *seen = user;

	assert_true(seen->count < SEEN_MAX);
	seen->all[seen->count++] = *mapping;
	return seen->count < seen->limit;
}

static void expect_same(const struct seen *a, const struct seen *b)
{
	assert_int_equal(a->count, b->count);
	for (unsigned i = 0; i < a->count; i++) {
		const struct rj_mapping *x = &a->all[i], *y = &b->all[i];

		assert_int_equal(x->start, y->start);
		assert_int_equal(x->end, y->end);
		assert_int_equal(x->inode, y->inode);
		assert_int_equal(x->major, y->major);
		assert_int_equal(x->minor, y->minor);
		assert_int_equal(x->shared, y->shared);
		assert_int_equal(x->anonymous, y->anonymous);
		/* That of anonymous memory means nothing. */
		if (x->inode)
			assert_int_equal(x->offset, y->offset);
	}
}

/* Both ways; how many mappings there were. */
static unsigned look(uint64_t from, uint64_t end, unsigned limit, bool whole)
{
	struct seen asked = { .limit = limit }, read = { .limit = limit };

	assert_int_equal(rj_mappings_of(from, end, note, &asked), whole);
	assert_int_equal(rj_mappings_read(from, end, note, &read), whole);
	expect_same(&asked, &read);
	return asked.count;
}

/* Private, shared, of a file, and one that can't be read. */
static uint8_t *make_pieces(int fd)
{
	uint8_t *map = mmap(NULL, PIECES * PIECE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(ftruncate(fd, 64 * (off_t)PAGE), 0);
	assert_ptr_equal(mmap(map + PIECE, PIECE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, fd, 7 * (off_t)PAGE),
			 map + PIECE);
	assert_ptr_equal(mmap(map + 2 * PIECE, PIECE, PROT_READ,
			      MAP_PRIVATE | MAP_FIXED, fd, 3 * (off_t)PAGE),
			 map + 2 * PIECE);
	assert_int_equal(mprotect(map + 3 * PIECE, PIECE, PROT_NONE), 0);
	return map;
}

static void pieces_are_seen_one_by_one(void **state)
{
	const int fd = memfd_create("pieces", MFD_CLOEXEC);
	uint8_t *map = make_pieces(fd);
	const uint64_t at = (uintptr_t)map;

	(void)state;
	assert_int_equal(look(at, at + PIECES * PIECE, NO_LIMIT, true), PIECES);
	/* In the middle of one, across a border, and to the last byte. */
	assert_int_equal(look(at + PAGE, at + 2 * PAGE, NO_LIMIT, true), 1);
	assert_int_equal(look(at + PAGE, at + PIECE + PAGE, NO_LIMIT, true), 2);
	assert_int_equal(look(at + PIECE, at + 2 * PIECE, NO_LIMIT, true), 1);
	/* No more than is wanted. */
	assert_int_equal(look(at, at + PIECES * PIECE, 2, false), 2);
	(void)munmap(map, PIECES * PIECE);
	(void)close(fd);
}

static void a_gap_is_found(void **state)
{
	const int fd = memfd_create("pieces", MFD_CLOEXEC);
	uint8_t *map = make_pieces(fd);
	const uint64_t at = (uintptr_t)map;

	(void)state;
	(void)munmap(map + PIECE, PIECE);
	assert_int_equal(look(at, at + PIECES * PIECE, NO_LIMIT, false), 1);
	assert_int_equal(look(at + PIECE, at + 2 * PIECE, NO_LIMIT, false), 0);
	(void)munmap(map, PIECE);
	assert_int_equal(look(at, at + PIECE, NO_LIMIT, false), 0);
	(void)munmap(map + 2 * PIECE, 2 * PIECE);
	(void)close(fd);
}

static void all_kinds_of_memory(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < MEMORY_KINDS_; kind++) {
		struct memory memory;
		uint64_t at;

		if (!memory_make(kind, UINT64_C(4) << 20, &memory))
			continue;
		at = (uintptr_t)memory.region.host;
		assert_true(look(at, at + memory.bytes, NO_LIMIT, true) >= 1);
		memory_free(&memory);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_seen_one_by_one),
		cmocka_unit_test(a_gap_is_found),
		cmocka_unit_test(all_kinds_of_memory),
	};

	return cmocka_run_group_tests_name("mappings", tests, NULL, NULL);
}
