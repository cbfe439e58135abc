/* SPDX-License-Identifier: BSD-3-Clause */
/* A control group of our own making, below a folder that stands for "/". */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/guest/headroom.h"
#include "tests/unit/engine/guarded.h"
#include "tests/unit/fake_root.h"

#define MIB   (1u << 20)
#define PAGES 1024u

struct scene {
	char root[64];
	struct guarded ram;
	struct rj_block block;
	struct rj_headroom room;
	struct ramjet_error err;
};

static void use(const struct scene *s, uint64_t bytes)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llu\n", (unsigned long long)bytes);
	fake_root_put(s->root, "cg/box/memory.current", text);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	(void)snprintf(s->root, sizeof(s->root), "/tmp/rj-headroom-XXXXXX");
	fake_root_make(s->root);
	fake_root_put(s->root, "proc/self/cgroup", "0::/box\n");
	fake_root_put(s->root, "proc/self/mountinfo",
		      "30 23 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
	fake_root_put(s->root, "cg/box/memory.max", "104857600\n");
	assert_int_equal(guarded_map(&s->ram, PAGES * RAMJET_PAGE_BYTES), 0);
	s->block = guarded_block(&s->ram);
	rj_headroom_init(&s->room, 1);
	s->room.root = s->root;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	fake_root_remove(s->root);
	guarded_unmap(&s->ram);
	free(s);
	return 0;
}

static int take(struct scene *s, uint64_t page, uint64_t pages)
{
	const struct iovec part = {
		s->ram.host + page * RAMJET_PAGE_BYTES,
		pages * RAMJET_PAGE_BYTES,
	};

	return rj_headroom_take(&s->room, &s->block, &part, 1, &s->err);
}

static void memory_that_is_not_left_is_refused_with_figures(void **state)
{
	struct scene *s = *state;

	use(s, 10 * MIB);
	assert_int_equal(take(s, 0, 64), 0);
	use(s, 95 * MIB);
	rj_headroom_init(&s->room, 1);
	s->room.root = s->root;
	memset(s->ram.host, 1, 5 * RAMJET_PAGE_BYTES);
	assert_int_equal(take(s, 0, 64), -ENOMEM);
	assert_string_equal(s->err.message,
			    "block ram0, offset 20480: no memory for it: a "
			    "memory cgroup has 100 MiB, 95 are in use and 6 "
			    "must be left over");
}

/* It takes nothing more, however little is left. */
static void memory_that_is_there_may_be_written(void **state)
{
	struct scene *s = *state;

	memset(s->ram.host, 1, 100 * RAMJET_PAGE_BYTES);
	use(s, 99 * MIB);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(take(s, 0, 100), 0);
	assert_int_equal(take(s, 0, 101), -ENOMEM);
}

/* A run of one word may be a hundred times what is left. */
static void what_is_taken_at_once_must_be_there_beside(void **state)
{
	struct scene *s = *state;

	use(s, 92 * MIB);
	assert_int_equal(take(s, 0, PAGES / 2), 0);
	rj_headroom_init(&s->room, 1);
	s->room.root = s->root;
	assert_int_equal(take(s, 0, PAGES), -ENOMEM);
}

/* Not for every frame, but before all can be used up. */
static void it_is_looked_again_in_time(void **state)
{
	struct scene *s = *state;
	uint64_t taken = 0;

	use(s, 0);
	assert_int_equal(take(s, 0, 1), 0);
	use(s, 100 * MIB);
	while (!take(s, 0, 256))
		taken += MIB;
	assert_true(taken >= 20 * MIB && taken <= (100 - 6) * MIB / 4);
}

/* They come from a pool of their own, which neither the machine's free memory
 * nor a group's limit tells of. */
static void huge_pages_are_none_of_its_business(void **state)
{
	struct scene *s = *state;
	const size_t bytes = 2 * MIB;
	const int fd =
		memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	const int rc = fd < 0 ? -1 : ftruncate(fd, (off_t)bytes);
	/* None need be there, since none is touched. */
	uint8_t *host = rc ? MAP_FAILED
			   : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_NORESERVE, fd, 0);
	const struct iovec part = { host, bytes };
	struct rj_block block = s->block;

	if (host == MAP_FAILED) {
		print_message("# no memfd of huge pages: %s\n",
			      strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		skip();
	}
	block.host = host;
	block.bytes = bytes;
	block.page_bytes = 2 * MIB;
	block.fd = fd;
	use(s, 99 * MIB);
	assert_int_equal(take(s, 0, 64), -ENOMEM);
	assert_int_equal(rj_headroom_take(&s->room, &block, &part, 1, NULL), 0);
	(void)munmap(host, bytes);
	(void)close(fd);
}

static void where_nothing_is_known_nothing_is_refused(void **state)
{
	struct scene *s = *state;

	fake_root_put(s->root, "cg/box/memory.max", "max\n");
	use(s, 1000 * MIB);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(take(s, 0, PAGES), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(memory_that_is_not_left_is_refused_with_figures),
		CASE(memory_that_is_there_may_be_written),
		CASE(what_is_taken_at_once_must_be_there_beside),
		CASE(it_is_looked_again_in_time),
		CASE(huge_pages_are_none_of_its_business),
		CASE(where_nothing_is_known_nothing_is_refused),
	};

	return cmocka_run_group_tests_name("headroom", tests, NULL, NULL);
}
