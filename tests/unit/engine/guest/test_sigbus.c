/* SPDX-License-Identifier: BSD-3-Clause */
/* A guard around work on a block's memory, and the VMM's own handler of SIGBUS,
 * which asks ramjet_sigbus(). */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/guest/backing.h"
#include "engine/guest/sigbus.h"
#include "tests/unit/engine/bad_page.h"
#include "tests/unit/engine/bus_handler.h"
#include "tests/unit/engine/memfd_block.h"
#include "tests/unit/engine/move.h"
#include "util/compiler.h"

/* ---- a guard --------------------------------------------------------------- */

struct reading {
	const uint8_t *at;
	bool lifted;
	bool through;
};

/* noinline, or the compiler knows what is behind the jump. */
RJ_GUEST_MEMORY static uint8_t touch(const volatile uint8_t *at)
{
	return *at;
}

static int read_it(void *user, struct ramjet_error *err)
{
	struct reading *reading = user;
	struct rj_sigbus_guard *guard = NULL;

	(void)err;
	if (reading->lifted)
		guard = rj_sigbus_lift();
	(void)touch(reading->at);
	if (reading->lifted)
		rj_sigbus_lower(guard);
	reading->through = true;
	return 0;
}

static struct rj_block block_cut_short(void)
{
	struct rj_block block = memfd_block(4);

	block.is_file = true;
	assert_int_equal(ftruncate(block.fd, (off_t)(block.fd_offset +
						     RAMJET_PAGE_BYTES)),
			 0);
	return block;
}

static void a_guard_names_block_and_offset(void **state)
{
	struct rj_block block = block_cut_short();
	struct reading reading = { .at = block.host + 2 * RAMJET_PAGE_BYTES +
					 17 };
	struct ramjet_error err = { 0 };
	sigset_t before, after;

	(void)state;
	bus_handler_install();
	(void)pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(rj_sigbus_run(&block, read_it, &reading, &err), -EIO);
	move_expect_error(&err, -EIO,
			  "block ram0, offset 4096: nothing is there: its file "
			  "ends at 16384");
	assert_false(reading.through);
	assert_int_equal(bus_handler_own, 0);
	/* It is over: the mask is as before, and so is the handler. */
	(void)pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&before, SIGBUS),
			 sigismember(&after, SIGBUS));
	reading.at = block.host;
	assert_int_equal(rj_sigbus_run(&block, read_it, &reading, &err), 0);
	assert_true(reading.through);
	memfd_block_free(&block);
}

/* Nothing is known of what is behind it. */
static void a_page_without_a_reason_is_named_too(void **state)
{
	struct rj_block block = block_cut_short();
	struct reading reading = { .at = block.host + RAMJET_PAGE_BYTES };
	struct ramjet_error err = { 0 };

	(void)state;
	bus_handler_install();
	block.is_file = false;
	assert_int_equal(rj_sigbus_run(&block, read_it, &reading, &err),
			 -EFAULT);
	move_expect_error(&err, -EFAULT, "block ram0, offset 4096: ");
	memfd_block_free(&block);
}

/* Of 1 GiB: of these a machine has none, unless somebody asked for them. */
static void a_huge_page_that_is_not_to_be_had_is_named(void **state)
{
	const size_t bytes = (size_t)1 << 30;
	struct rj_block block = {
		.name = "ram0",
		.bytes = bytes,
		.page_count = bytes / RAMJET_PAGE_BYTES,
		.page_bytes = (uint32_t)bytes,
		.fd = memfd_create("huge",
				   MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_1GB),
		.is_file = true,
	};
	struct reading reading = { 0 };
	struct ramjet_error err = { 0 };
	int rc;

	(void)state;
	bus_handler_install();
	block.host = block.fd < 0 || ftruncate(block.fd, (off_t)bytes)
			     ? MAP_FAILED
			     : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_NORESERVE, block.fd, 0);
	if (block.host == MAP_FAILED) {
		print_message("# no huge pages of 1 GiB here\n");
		skip();
	}
	reading.at = block.host + 3 * RAMJET_PAGE_BYTES;
	rc = rj_sigbus_run(&block, read_it, &reading, &err);
	(void)munmap(block.host, bytes);
	(void)close(block.fd);
	if (!rc) {
		print_message("# there are huge pages of 1 GiB\n");
		skip();
	}
	move_expect_error(&err, -ENOSPC,
			  "block ram0, offset 12288: no huge page of "
			  "1073741824 bytes is left");
}

static void what_is_not_ours_is_left_to_the_vmm(void **state)
{
	struct rj_block bad = block_cut_short(), good = memfd_block(4);
	struct reading reading = { .at = bad.host + RAMJET_PAGE_BYTES };

	(void)state;
	bus_handler_install();
	/* Outside of any guard. */
	if (!sigsetjmp(bus_handler_back, 1))
		(void)touch(reading.at);
	assert_int_equal(bus_handler_own, 1);
	/* Inside, but of other memory. */
	if (!sigsetjmp(bus_handler_back, 1))
		(void)!rj_sigbus_run(&good, read_it, &reading, NULL);
	assert_int_equal(bus_handler_own, 2);
	rj_sigbus_lower(NULL);
	/* Inside, while somebody else's code runs. */
	reading.lifted = true;
	if (!sigsetjmp(bus_handler_back, 1))
		(void)!rj_sigbus_run(&bad, read_it, &reading, NULL);
	assert_int_equal(bus_handler_own, 3);
	rj_sigbus_lower(NULL);
	assert_false(reading.through);
	memfd_block_free(&bad);
	memfd_block_free(&good);
}

static int send_it(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return raise(SIGBUS);
}

static void a_signal_that_was_sent_is_no_fault(void **state)
{
	struct rj_block block = memfd_block(4);

	(void)state;
	bus_handler_install();
	assert_int_equal(rj_sigbus_run(&block, send_it, NULL, NULL), 0);
	assert_int_equal(bus_handler_own, 1);
	memfd_block_free(&block);
}

static int guard_again(void *user, struct ramjet_error *err)
{
	struct reading *outer = user;
	struct rj_block block = block_cut_short();
	struct reading inner = { .at = block.host + RAMJET_PAGE_BYTES };

	assert_int_equal(rj_sigbus_run(&block, read_it, &inner, NULL), -EIO);
	memfd_block_free(&block);
	return read_it(outer, err);
}

static void a_guard_inside_a_guard_leaves_the_outer_one(void **state)
{
	struct rj_block block = block_cut_short();
	struct reading reading = { .at = block.host + RAMJET_PAGE_BYTES };

	(void)state;
	bus_handler_install();
	assert_int_equal(rj_sigbus_run(&block, guard_again, &reading, NULL),
			 -EIO);
	assert_false(reading.through);
	assert_int_equal(bus_handler_own, 0);
	memfd_block_free(&block);
}

static void memory_that_is_not_mapped_needs_none(void **state)
{
	struct rj_block block = memfd_block(1);
	struct reading reading = { .at = block.host };
	const struct rj_block elsewhere = { .name = "ram1" };

	(void)state;
	bus_handler_install();
	assert_int_equal(rj_sigbus_run(&elsewhere, read_it, &reading, NULL), 0);
	assert_true(reading.through);
	memfd_block_free(&block);
}

/* ---- what the kernel could not read ------------------------------------------ */

static void a_part_that_cannot_be_read_is_found(void **state)
{
	struct guarded ram;
	struct rj_block block;
	struct ramjet_error err = { 0 };
	uint8_t elsewhere[8];
	struct iovec parts[3];

	(void)state;
	assert_int_equal(guarded_map(&ram, 8 * RAMJET_PAGE_BYTES), 0);
	block = guarded_block(&ram);
	for (unsigned i = 0; i < 8; i++)
		guarded_fill(&ram, i, 1);
	parts[0] = (struct iovec){ elsewhere, sizeof(elsewhere) };
	parts[1] = (struct iovec){ ram.host, RAMJET_PAGE_BYTES };
	parts[2] = (struct iovec){ ram.host + 4 * RAMJET_PAGE_BYTES,
				   3 * RAMJET_PAGE_BYTES };
	assert_int_equal(rj_backing_blame_read(&block, parts, 3, &err), 0);
	if (!bad_page_make(ram.host + 5 * RAMJET_PAGE_BYTES)) {
		guarded_unmap(&ram);
		skip();
	}
	assert_int_equal(rj_backing_blame_read(&block, parts, 2, &err), 0);
	assert_int_equal(rj_backing_blame_read(&block, parts, 3, &err),
			 -EHWPOISON);
	move_expect_error(
		&err, -EHWPOISON,
		"block ram0, offset 20480: the memory there is broken");
	guarded_unmap(&ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guard_names_block_and_offset),
		cmocka_unit_test(a_page_without_a_reason_is_named_too),
		cmocka_unit_test(a_huge_page_that_is_not_to_be_had_is_named),
		cmocka_unit_test(what_is_not_ours_is_left_to_the_vmm),
		cmocka_unit_test(a_signal_that_was_sent_is_no_fault),
		cmocka_unit_test(a_guard_inside_a_guard_leaves_the_outer_one),
		cmocka_unit_test(memory_that_is_not_mapped_needs_none),
		cmocka_unit_test(a_part_that_cannot_be_read_is_found),
	};

	return cmocka_run_group_tests_name("sigbus", tests, NULL, NULL);
}
