/* SPDX-License-Identifier: BSD-3-Clause */
/* Who else has a guest's memory. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/attach/sharers.h"
#include "victim.h"

#define BYTES ((size_t)8 * 4096)

static int memory_fd;
static char *memory_at;

static void owner(struct victim_board *board)
{
	victim_in_ppoll(board);
}

static void maps_it(int protection, off_t offset)
{
	(void)munmap(memory_at, 2 * BYTES);
	(void)prctl(PR_SET_NAME, "virtiofsd");
	if (mmap(NULL, BYTES, protection, MAP_SHARED, memory_fd, offset) ==
	    MAP_FAILED)
		_exit(1);
}

static void writer(struct victim_board *board)
{
	maps_it(PROT_READ | PROT_WRITE, 0);
	victim_in_ppoll(board);
}

static void reader(struct victim_board *board)
{
	maps_it(PROT_READ, 0);
	victim_in_ppoll(board);
}

static void neighbour(struct victim_board *board)
{
	maps_it(PROT_READ | PROT_WRITE, BYTES);
	victim_in_ppoll(board);
}

/* Block 0 is private, block 1 the first half of the memory. */
static size_t look(const struct victim *victim, pid_t wanted,
		   struct rj_attach_sharers *ret)
{
	struct rj_attach_mapping blocks[2] = { { .inode = 1 } };
	struct rj_attach_maps maps = { 0 };
	size_t found = 0;

	assert_int_equal(rj_attach_maps_read(victim->pid, &maps, NULL), 0);
	blocks[1] = *rj_attach_maps_at(&maps, (uintptr_t)memory_at);
	blocks[1].end = blocks[1].start + BYTES;
	assert_int_equal(
		rj_attach_sharers_find(victim->pid, blocks, 2, ret, NULL), 0);
	for (size_t i = 0; i < ret->count; i++)
		found += ret->list[i].pid == wanted;
	rj_attach_maps_free(&maps);
	return found;
}

static int setup(void **state)
{
	(void)state;
	memory_fd = memfd_create("rj-sharers", MFD_CLOEXEC);
	if (ftruncate(memory_fd, 2 * BYTES))
		return -1;
	memory_at = mmap(NULL, 2 * BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			 memory_fd, 0);
	return memory_at == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)munmap(memory_at, 2 * BYTES);
	return close(memory_fd);
}

static void one_that_may_write_is_named(void **state)
{
	struct rj_attach_sharers found = { 0 };
	struct victim victim;
	struct victim other;

	(void)state;
	victim_start(&victim, owner);
	victim_start(&other, writer);
	assert_int_equal(look(&victim, other.pid, &found), 1);
	assert_int_equal(found.count, 1); /* not the owner, not us */
	assert_string_equal(found.list[0].name, "virtiofsd");
	assert_int_equal(found.list[0].block, 1);
	rj_attach_sharers_free(&found);
	rj_attach_sharers_free(&found);
	victim_end(&other);
	assert_int_equal(look(&victim, other.pid, &found), 0);
	assert_int_equal(found.count, 0);
	rj_attach_sharers_free(&found);
	victim_end(&victim);
}

static void readers_and_others_are_not(void **state)
{
	struct rj_attach_sharers found = { 0 };
	struct victim victim;
	struct victim other[2];

	(void)state;
	victim_start(&victim, owner);
	victim_start(&other[0], reader);
	victim_start(&other[1], neighbour);
	(void)look(&victim, 0, &found);
	assert_int_equal(found.count, 0);
	rj_attach_sharers_free(&found);
	victim_end(&other[0]);
	victim_end(&other[1]);
	victim_end(&victim);
}

static int look_as_nobody(void *user, char *text, size_t bytes)
{
	const struct victim *victims = user;
	struct rj_attach_sharers found = { 0 };
	const int rc = (int)look(&victims[0], victims[1].pid, &found);

	(void)snprintf(text, bytes, "%zu", found.unread);
	rj_attach_sharers_free(&found);
	return rc;
}

static void nobodys(struct victim_board *board)
{
	become_user(NOBODY, true);
	victim_in_ppoll(board);
}

static void what_may_not_be_looked_at_is_counted(void **state)
{
	struct victim victims[2];
	char text[600];

	(void)state;
	if (geteuid()) {
		print_message("# skipped: not root\n");
		skip();
	}
	victim_start(&victims[0], nobodys);
	victim_start(&victims[1], writer);
	assert_int_equal(
		as_user(NOBODY, look_as_nobody, victims, text, sizeof(text)),
		0);
	assert_string_not_equal(text, "0");
	victim_end(&victims[1]);
	victim_end(&victims[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_may_write_is_named),
		cmocka_unit_test(readers_and_others_are_not),
		cmocka_unit_test(what_may_not_be_looked_at_is_counted),
	};

	return cmocka_run_group_tests_name("sharers", tests, setup, teardown);
}
