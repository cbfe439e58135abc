/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of a real other process, by the operations that come with ramjet. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/engine/child_vm.h"

#define PAGES 3000u
#define BYTES ((uint64_t)PAGES * RAMJET_PAGE_BYTES)

static int teardown(void **state)
{
	child_vm_done(*state);
	free(*state);
	return 0;
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct child_vm));
	return *state ? 0 : -1;
}

/* By descriptors alone, with no right of its own. */
static void by_descriptors(struct child_vm *vm, int fds[2])
{
	struct ramjet_process_memory_options options = {
		RAMJET_PROCESS_MEMORY_OPTIONS_INIT
	};
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", vm->pid);
	options.mem_fd = fds[0] = open(path, O_RDWR | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", vm->pid);
	options.pagemap_fd = fds[1] = open(path, O_RDONLY | O_CLOEXEC);
	options.address = (uintptr_t)vm->memory;
	options.bytes = vm->bytes;
	assert_true(fds[0] >= 0 && fds[1] >= 0);
	assert_int_equal(
		ramjet_process_memory_new(&options, &vm->process, NULL), 0);
}

static void *aligned(size_t bytes)
{
	void *data = aligned_alloc(RAMJET_PAGE_BYTES, bytes);

	assert_non_null(data);
	return data;
}

/* Every other page: more ranges than a call takes. */
static size_t scattered(struct ramjet_memory_range *ranges)
{
	size_t count = 0;

	for (unsigned page = 0; page < PAGES; page += 2)
		ranges[count++] = (struct ramjet_memory_range){
			(uint64_t)page * RAMJET_PAGE_BYTES,
			RAMJET_PAGE_BYTES,
		};
	assert_true(count > IOV_MAX);
	return count;
}

static void copies_are_right(struct child_vm *vm)
{
	static struct ramjet_memory_range ranges[PAGES / 2];
	const struct ramjet_memory_ops *ops = ramjet_process_memory_ops();
	const size_t count = scattered(ranges);
	uint8_t *was = child_vm_content(vm), *is;
	uint8_t *data = aligned(count * RAMJET_PAGE_BYTES);
	const struct ramjet_memory_range long_one = { RAMJET_PAGE_BYTES,
						      BYTES / 2 };
	uint8_t *half = aligned(BYTES / 2);

	assert_int_equal(ops->read(vm->process, ranges, count, data, NULL), 0);
	for (size_t i = 0; i < count; i++)
		assert_memory_equal(data + i * RAMJET_PAGE_BYTES,
				    was + ranges[i].offset, RAMJET_PAGE_BYTES);
	assert_int_equal(ops->read(vm->process, &long_one, 1, half, NULL), 0);
	assert_memory_equal(half, was + RAMJET_PAGE_BYTES, BYTES / 2);
	for (size_t i = 0; i < count * RAMJET_PAGE_BYTES; i++)
		data[i] ^= 0x5a;
	assert_int_equal(ops->write(vm->process, ranges, count, data, NULL), 0);
	is = child_vm_content(vm);
	for (unsigned page = 0; page < PAGES; page++)
		assert_memory_equal(
			is + (size_t)page * RAMJET_PAGE_BYTES,
			page % 2 ? was + (size_t)page * RAMJET_PAGE_BYTES
				 : data + (size_t)page / 2 * RAMJET_PAGE_BYTES,
			RAMJET_PAGE_BYTES);
	free(was);
	free(is);
	free(data);
	free(half);
}

static void by_process_vm(void **state)
{
	struct child_vm *vm = *state;

	child_vm_init(vm, BYTES, 1, false);
	child_vm_guest(vm, false);
	copies_are_right(vm);
}

static void by_its_file(void **state)
{
	struct child_vm *vm = *state;
	int fds[2];

	child_vm_init(vm, BYTES, 1, false);
	by_descriptors(vm, fds);
	/* It has copies. */
	(void)close(fds[0]);
	(void)close(fds[1]);
	copies_are_right(vm);
}

struct told {
	uint64_t pages, first;
	unsigned enough; /* after so many */
	unsigned times;
};

static int tell(void *context, const struct ramjet_memory_range *range)
{
	struct told *told = context;

	if (!told->times++)
		told->first = range->offset / RAMJET_PAGE_BYTES;
	told->pages += range->bytes / RAMJET_PAGE_BYTES;
	return told->times == told->enough ? 7 : 0;
}

static int ask(const struct child_vm *vm, uint64_t first, uint64_t count,
	       struct told *told, struct ramjet_error *err)
{
	const struct ramjet_memory_range range = { first * RAMJET_PAGE_BYTES,
						   count * RAMJET_PAGE_BYTES };

	return ramjet_process_memory_ops()->populated(vm->process, &range, tell,
						      told, err);
}

static void what_is_populated_is_told(void **state)
{
	struct child_vm *vm = *state;
	struct told told = { 0 };

	child_vm_init(vm, BYTES, 1, false);
	child_vm_guest(vm, false);
	assert_int_equal(ask(vm, 0, PAGES, &told, NULL), 0);
	assert_int_equal(told.pages, PAGES - (PAGES + 3) / 7);
	told = (struct told){ 0 };
	assert_int_equal(ask(vm, 3, 1, &told, NULL), 0);
	assert_int_equal(told.pages, 0);
	told = (struct told){ .enough = 1 };
	assert_int_equal(ask(vm, 3, 10, &told, NULL), 7);
	assert_int_equal(told.first, 4);
	child_vm_do(vm, CHILD_DISCARDS);
	told = (struct told){ 0 };
	assert_int_equal(ask(vm, 0, PAGES, &told, NULL), 0);
	assert_int_equal(told.pages, 0);
}

static void of_shared_memory_all_counts(void **state)
{
	struct child_vm *vm = *state;
	struct told told = { 0 };

	child_vm_init(vm, BYTES, 0, true);
	child_vm_guest(vm, false);
	assert_int_equal(ask(vm, 5, 100, &told, NULL), 0);
	assert_int_equal(told.pages, 100);
	assert_int_equal(told.first, 5);
}

/* Reading what is not there any more is reading zeros. */
static void a_discarded_page_is_zero(void **state)
{
	const struct ramjet_memory_range first = { 0, RAMJET_PAGE_BYTES };
	uint8_t *page = aligned(RAMJET_PAGE_BYTES);
	struct child_vm *vm = *state;
	struct told told = { 0 };

	child_vm_init(vm, BYTES, 1, false);
	child_vm_guest(vm, false);
	child_vm_do(vm, CHILD_DISCARDS_FIRST);
	memset(page, 1, RAMJET_PAGE_BYTES);
	assert_int_equal(ramjet_process_memory_ops()->read(vm->process, &first,
							   1, page, NULL),
			 0);
	for (unsigned i = 0; i < RAMJET_PAGE_BYTES; i++)
		assert_int_equal(page[i], 0);
	free(page);
	/* The zero page that is there now counts as nothing, where the kernel
	 * can tell. */
	assert_int_equal(ask(vm, 0, 1, &told, NULL), 0);
	print_message("# told: %llu\n", (unsigned long long)told.pages);
}

static void a_hole_is_named(void **state)
{
	const struct ramjet_memory_ops *ops = ramjet_process_memory_ops();
	const struct ramjet_memory_range last[] = {
		{ 0, RAMJET_PAGE_BYTES },
		{ BYTES - (uint64_t)3 * RAMJET_PAGE_BYTES,
		  (uint64_t)3 * RAMJET_PAGE_BYTES },
	};
	uint8_t *data = aligned((size_t)4 * RAMJET_PAGE_BYTES);
	struct ramjet_error err = { 0 };
	struct child_vm *vm = *state;
	char offset[64];

	(void)snprintf(offset, sizeof(offset), "offset %llu ",
		       (unsigned long long)(BYTES - RAMJET_PAGE_BYTES));
	child_vm_init(vm, BYTES, 1, false);
	child_vm_guest(vm, false);
	child_vm_do(vm, CHILD_UNMAPS);
	assert_int_equal(ops->read(vm->process, last, 2, data, &err), -EFAULT);
	print_message("# %s\n", err.message);
	assert_non_null(strstr(err.message, offset));
	err = (struct ramjet_error){ 0 };
	assert_int_equal(ops->write(vm->process, last, 2, data, &err), -EFAULT);
	assert_non_null(strstr(err.message, offset));
	free(data);
}

static void a_dead_process_is_an_error(void **state)
{
	const struct ramjet_memory_range first = { 0, RAMJET_PAGE_BYTES };
	const struct ramjet_memory_ops *ops = ramjet_process_memory_ops();
	uint8_t *page = aligned(RAMJET_PAGE_BYTES);
	struct ramjet_error err = { 0 };
	struct child_vm *vm = *state;
	struct told told = { 0 };
	int fds[2];

	for (unsigned file = 0; file < 2; file++) {
		child_vm_init(vm, BYTES, 1, false);
		if (file)
			by_descriptors(vm, fds);
		else
			child_vm_guest(vm, false);
		child_vm_kill(vm);
		assert_int_equal(ops->read(vm->process, &first, 1, page, &err),
				 -ESRCH);
		print_message("# %s\n", err.message);
		assert_non_null(strstr(err.message, "gone"));
		assert_int_equal(ops->write(vm->process, &first, 1, page, NULL),
				 -ESRCH);
		/* Without a number nobody says what kind of memory it was. */
		if (!file)
			assert_int_equal(ask(vm, 0, PAGES, &told, NULL),
					 -ESRCH);
		assert_int_equal(told.pages, 0);
		child_vm_done(vm);
	}
	(void)close(fds[0]);
	(void)close(fds[1]);
	free(page);
}

static int try_new(const struct child_vm *vm, int pid, uint64_t bytes,
		   struct ramjet_error *err)
{
	struct ramjet_process_memory_options options = {
		RAMJET_PROCESS_MEMORY_OPTIONS_INIT
	};
	struct ramjet_process_memory *memory = NULL;
	int rc;

	options.pid = pid;
	options.address = (uintptr_t)vm->memory;
	options.bytes = bytes;
	rc = ramjet_process_memory_new(&options, &memory, err);
	ramjet_process_memory_free(memory);
	return rc;
}

static void what_cannot_be_is_refused(void **state)
{
	struct ramjet_error err = { 0 };
	struct child_vm *vm = *state;
	int dead;

	child_vm_init(vm, BYTES, 1, false);
	dead = fork();
	if (!dead)
		_exit(0);
	assert_int_equal(waitpid(dead, NULL, 0), dead);
	assert_int_equal(try_new(vm, dead, BYTES, &err), -ESRCH);
	assert_int_equal(try_new(vm, 0, BYTES, &err), -EINVAL);
	assert_int_equal(try_new(vm, vm->pid, BYTES + 1, &err), -EINVAL);
	assert_int_equal(try_new(vm, vm->pid, 0, &err), -EINVAL);
	assert_int_equal(try_new(vm, vm->pid, UINT64_MAX - 4095, &err),
			 -EINVAL);
	child_vm_do(vm, CHILD_UNMAPS);
	assert_int_equal(try_new(vm, vm->pid, BYTES, &err), -EFAULT);
	print_message("# %s\n", err.message);
	assert_non_null(strstr(err.message, "not all"));
	ramjet_process_memory_free(NULL);
}

/* By another user, who has no right to it. */
static void without_the_right_it_is_refused(void **state)
{
	struct child_vm *vm = *state;
	int status = -1;
	pid_t other;

	if (geteuid()) {
		print_message("# only root can become somebody else\n");
		skip();
	}
	child_vm_init(vm, BYTES, 1, false);
	other = fork();
	if (!other) {
		struct ramjet_error err = { 0 };

		if (setgid(65534) || setuid(65534))
			_exit(2);
		_exit(try_new(vm, vm->pid, BYTES, &err) == -EPERM &&
				      strstr(err.message, "CAP_SYS_PTRACE")
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define PROCESS_TEST(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROCESS_TEST(by_process_vm),
		PROCESS_TEST(by_its_file),
		PROCESS_TEST(what_is_populated_is_told),
		PROCESS_TEST(of_shared_memory_all_counts),
		PROCESS_TEST(a_discarded_page_is_zero),
		PROCESS_TEST(a_hole_is_named),
		PROCESS_TEST(a_dead_process_is_an_error),
		PROCESS_TEST(what_cannot_be_is_refused),
		PROCESS_TEST(without_the_right_it_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
