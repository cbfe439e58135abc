/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that goes bad under a thread of ours: the VMM's own handler of SIGBUS
 * asks ramjet_sigbus(), and the migration ends with block and offset. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/guest/backing.h"
#include "engine/guest/sigbus.h"
#include "ramjet-dirty.h"
#include "tests/unit/engine/bad_page.h"
#include "tests/unit/engine/memfd_block.h"
#include "tests/unit/engine/move.h"
#include "util/compiler.h"

#define BYTES (UINT64_C(4) << 20)
#define CUT   (UINT64_C(1) << 20)

/* ---- a VMM's handler ------------------------------------------------------- */

static sigjmp_buf own;
static volatile sig_atomic_t
	own_faults; /* it found the page not to be ramjet's */
static _Atomic unsigned asked;

static void on_bus(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	atomic_fetch_add(&asked, 1);
	if (ramjet_sigbus(info))
		return;
	own_faults++;
	/* What is sent is taken; a fault of the test's own is got over. */
	if (info->si_code > 0)
		siglongjmp(own, 1);
}

/* In the test itself: cmocka has one of its own, from before it to after it. */
static void handle_bus(void)
{
	struct sigaction action = { .sa_sigaction = on_bus,
				    .sa_flags = SA_SIGINFO };

	own_faults = 0;
	atomic_store(&asked, 0);
	(void)sigaction(SIGBUS, &action, NULL);
}

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
	handle_bus();
	(void)pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(rj_sigbus_run(&block, read_it, &reading, &err), -EIO);
	move_expect_error(&err, -EIO,
			  "block ram0, offset 4096: nothing is there: its file "
			  "ends at 16384");
	assert_false(reading.through);
	assert_int_equal(own_faults, 0);
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
	handle_bus();
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
	handle_bus();
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
	handle_bus();
	/* Outside of any guard. */
	if (!sigsetjmp(own, 1))
		(void)touch(reading.at);
	assert_int_equal(own_faults, 1);
	/* Inside, but of other memory. */
	if (!sigsetjmp(own, 1))
		(void)!rj_sigbus_run(&good, read_it, &reading, NULL);
	assert_int_equal(own_faults, 2);
	rj_sigbus_lower(NULL);
	/* Inside, while somebody else's code runs. */
	reading.lifted = true;
	if (!sigsetjmp(own, 1))
		(void)!rj_sigbus_run(&bad, read_it, &reading, NULL);
	assert_int_equal(own_faults, 3);
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
	handle_bus();
	assert_int_equal(rj_sigbus_run(&block, send_it, NULL, NULL), 0);
	assert_int_equal(own_faults, 1);
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
	handle_bus();
	assert_int_equal(rj_sigbus_run(&block, guard_again, &reading, NULL),
			 -EIO);
	assert_false(reading.through);
	assert_int_equal(own_faults, 0);
	memfd_block_free(&block);
}

static void memory_that_is_not_mapped_needs_none(void **state)
{
	struct rj_block block = memfd_block(1);
	struct reading reading = { .at = block.host };
	const struct rj_block elsewhere = { .name = "ram1" };

	(void)state;
	handle_bus();
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

/* ---- whole moves: a source's file is cut short ------------------------------- */

/* Cuts the disk's file at the moment a worker has looked how far it reaches, and
 * is about to read it. */
struct cutter {
	int fd;
	uint8_t *host;
	unsigned region;
	atomic_bool cut;
};

static int cutter_start(void *user, const struct ramjet_dirty_region *regions,
			unsigned count, struct ramjet_error *err)
{
	struct cutter *cutter = user;

	(void)err;
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(RAMJET_AT(regions, i)->name, "disk"))
			cutter->region = i;
	return 0;
}

static int cutter_collect(void *user, struct ramjet_dirty_sink *sink,
			  struct ramjet_error *err)
{
	(void)user;
	(void)sink;
	(void)err;
	return 0;
}

static int cutter_rearm(void *user, unsigned region, uint64_t first_page,
			const uint64_t *words, size_t count,
			struct ramjet_error *err)
{
	struct cutter *cutter = user;

	(void)first_page;
	(void)words;
	(void)count;
	(void)err;
	if (region == cutter->region && !atomic_exchange(&cutter->cut, true))
		return ftruncate(cutter->fd, (off_t)CUT) ? -errno : 0;
	return 0;
}

static void cutter_stop(void *user)
{
	(void)user;
}

static void add_disk(struct cutter *disk, struct small_vm *vm)
{
	struct ramjet_block block = {
		RAMJET_BLOCK_INIT,
		.name = "disk",
		.bytes = BYTES,
	};

	block.fd = memfd_create("disk", MFD_CLOEXEC);
	*disk = (struct cutter){ .fd = block.fd };
	assert_int_equal(ftruncate(block.fd, (off_t)BYTES), 0);
	disk->host = block.host = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
				       MAP_SHARED, block.fd, 0);
	assert_true(block.host != MAP_FAILED);
	memset(block.host, 0x33, BYTES);
	for (uint64_t at = 0; at < BYTES; at += 8)
		disk->host[at] = (uint8_t)(at >> 3);
	assert_true(ramjet_guest_add_block(vm->guest, &block, NULL) >= 0);
}

static void remove_disk(struct cutter *disk)
{
	(void)munmap(disk->host, BYTES);
	(void)close(disk->fd);
}

static void move_with_a_cutter(struct move *move, enum move_over over,
			       unsigned channels)
{
	struct small_vm_options is = move_machine;
	struct ramjet_dirty_ops ops = {
		RAMJET_DIRTY_OPS_INIT, .name = "cutter",
		.start = cutter_start, .collect = cutter_collect,
		.rearm = cutter_rearm, .stop = cutter_stop,
	};
	struct ramjet_dirty_source *source;
	struct cutter disks[2];

	handle_bus();
	is.dirty = VM_DIRTY_NONE;
	move_init(move, &is);
	add_disk(&disks[0], &move->source);
	add_disk(&disks[1], &move->target);
	assert_int_equal(ramjet_dirty_new(&ops, &disks[0], &source, NULL), 0);
	assert_int_equal(
		ramjet_guest_add_dirty_source(move->source.guest, source, NULL),
		0);
	move->source_params.channels = channels;
	move_begin(move, over);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -EIO,
			  "block disk, offset 1048576: nothing is there: its "
			  "file ends at 1048576");
	assert_true(atomic_load(&asked) >= 1);
	assert_int_equal(own_faults, 0);
	/* The file is what it was, and so is everything else. */
	assert_int_equal(ftruncate(disks[0].fd, (off_t)BYTES), 0);
	move_expect_movable(move);
	move_done(move);
	for (unsigned i = 0; i < 2; i++)
		remove_disk(&disks[i]);
}

static void a_source_cut_short_under_a_worker(void **state)
{
	move_with_a_cutter(*state, MOVE_UNIX, 1);
}

static void a_source_cut_short_under_several_workers(void **state)
{
	move_with_a_cutter(*state, MOVE_UNIX, 4);
}

/* ---- whole moves: a page is broken -------------------------------------------- */

#define BAD_PAGE 300u
#define BAD      "block ram0, offset 1228800: the memory there is broken"

static bool bad_on_call; /* this kernel makes them */

static void break_page(struct small_vm *vm)
{
	bad_on_call =
		bad_page_make(vm->ram[0].host + BAD_PAGE * RAMJET_PAGE_BYTES);
}

static void break_in_save(struct small_vm *vm, enum vm_call call)
{
	if (call == VM_SAVE)
		break_page(vm);
}

/* Memories are compared no more: the page cannot be read. */
static void expect_broken(struct move *move, const struct ramjet_error *err)
{
	if (!bad_on_call)
		skip();
	assert_int_equal(move->source_rc < 0, true);
	assert_int_equal(small_vm_calls(&move->target, VM_START), 0);
	assert_true(atomic_load(&move->source.running));
	move_expect_error(err, -EHWPOISON, BAD);
	assert_int_equal(own_faults, 0);
}

static void begin(struct move *move)
{
	struct small_vm_options is = move_machine;

	handle_bus();
	is.dirty = VM_DIRTY_NONE;
	move_init(move, &is);
	bad_on_call = false;
}

static void a_broken_page_of_the_source_is_named(void **state)
{
	struct move *move = *state;

	begin(move);
	break_page(&move->source);
	move_begin(move, MOVE_UNIX);
	move_await(move);
	expect_broken(move, &move->source_err);
	assert_true(atomic_load(&asked) >= 1);
}

static void a_page_that_breaks_before_it_is_hashed_is_named(void **state)
{
	struct move *move = *state;

	begin(move);
	move->source.on_call = break_in_save;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	expect_broken(move, &move->source_err);
	assert_int_equal(atomic_load(&asked), 1);
}

/* Whatever is to come there: received by the kernel, cleared, or filled. */
static void a_broken_page_of_the_target_is_named(void **state)
{
	struct move *move = *state;

	for (unsigned kind = 0; kind < 3; kind++) {
		uint8_t *page;

		begin(move);
		page = move->source.ram[0].host + BAD_PAGE * RAMJET_PAGE_BYTES;
		if (kind == 0)
			guarded_fill(&move->source.ram[0], BAD_PAGE, 1);
		else
			memset(page, kind == 1 ? 0 : 0x77, RAMJET_PAGE_BYTES);
		break_page(&move->target);
		move_begin(move, MOVE_UNIX);
		move_await(move);
		expect_broken(move, &move->target_err);
		move_expect_error(&move->source_err, -EHWPOISON, BAD);
		move_done(move);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(a_guard_names_block_and_offset),
		MOVE_TEST(a_page_without_a_reason_is_named_too),
		MOVE_TEST(a_huge_page_that_is_not_to_be_had_is_named),
		MOVE_TEST(what_is_not_ours_is_left_to_the_vmm),
		MOVE_TEST(a_signal_that_was_sent_is_no_fault),
		MOVE_TEST(a_guard_inside_a_guard_leaves_the_outer_one),
		MOVE_TEST(memory_that_is_not_mapped_needs_none),
		MOVE_TEST(a_part_that_cannot_be_read_is_found),
		MOVE_TEST(a_source_cut_short_under_a_worker),
		MOVE_TEST(a_source_cut_short_under_several_workers),
		MOVE_TEST(a_broken_page_of_the_source_is_named),
		MOVE_TEST(a_page_that_breaks_before_it_is_hashed_is_named),
		MOVE_TEST(a_broken_page_of_the_target_is_named),
	};

	return cmocka_run_group_tests_name("sigbus", tests, NULL, NULL);
}
