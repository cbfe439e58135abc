/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes that no dirty source sees, told by the VMM: none is lost, whenever
 * they come. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/engine/move.h"

#define PAGE 300u

static void begin(struct move *move, enum vm_dirty dirty)
{
	struct small_vm_options is = move_machine;

	is.dirty = dirty;
	move_init(move, &is);
}

/* As a device would that nobody tracks: the page, then the word about it. */
static int write_and_mark(struct small_vm *vm, uint64_t page)
{
	uint8_t *at = vm->ram[0].host + page * RAMJET_PAGE_BYTES;

	guarded_fill(&vm->ram[0], page, page + 1000);
	/* The last bytes of one page and the first of the next. */
	memset(at + RAMJET_PAGE_BYTES, 0x5a, 8);
	return ramjet_guest_mark(vm->guest, "ram0",
				 page * RAMJET_PAGE_BYTES + 4000, 100, NULL);
}

/* ---- when they come ------------------------------------------------------- */

static void mark_in_save(struct small_vm *vm, enum vm_call call)
{
	if (call == VM_SAVE)
		assert_int_equal(write_and_mark(vm, PAGE), 0);
}

static void marks_after_the_last_collect_are_sent(void **state)
{
	for (unsigned over = 0; over < MOVE_OVER_COUNT_; over++) {
		struct move *move = *state;

		begin(move, VM_DIRTY_NONE);
		move->source.on_call = mark_in_save;
		move_begin(move, over);
		move_await(move);
		move_expect_done(move);
		assert_true(move->target_info->verified);
		assert_int_equal(move->target.ram[0]
					 .host[(PAGE + 1) * RAMJET_PAGE_BYTES],
				 0x5a);
		assert_int_equal(move->info->ram_remaining_bytes, 0);
		move_done(move);
	}
}

static void mark_at_source(struct small_vm *vm, enum vm_call call)
{
	/* All pages have been applied, READY has not been said. */
	if (call == VM_LOAD)
		assert_int_equal(write_and_mark(vm->other, PAGE), 0);
}

static void marks_that_come_too_late_let_the_guest_run_on(void **state)
{
	struct move *move = *state;

	begin(move, VM_DIRTY_NONE);
	move->target.on_call = mark_at_source;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -EBUSY, "pages were marked");
	/* Nothing is sealed for ever. */
	assert_int_equal(write_and_mark(&move->source, PAGE), 0);
	move_expect_movable(move);
}

static int late_rc;

static void mark_after_commit(struct small_vm *vm, enum vm_call call)
{
	if (call == VM_START)
		late_rc = write_and_mark(vm->other, PAGE);
}

static void marks_after_the_commit_are_refused(void **state)
{
	struct move *move = *state;
	struct ramjet_error err = { 0 };

	begin(move, VM_DIRTY_NONE);
	move->target.on_call = mark_after_commit;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	assert_int_equal(move->source_rc, 0);
	assert_int_equal(late_rc, -EALREADY);
	/* Nor does anybody take them later. */
	assert_int_equal(
		ramjet_guest_mark(move->source.guest, "ram1", 0, 1, &err),
		-EALREADY);
	move_expect_error(&err, -EALREADY, "block ram1: too late");
	assert_int_equal(ramjet_guest_discard(move->source.guest, "ram1", 0,
					      RAMJET_PAGE_BYTES, NULL),
			 -EALREADY);
}

/* ---- the kernel writes into pinned pages ---------------------------------- */

struct device {
	struct io_uring ring;
	int file;
};

static bool open_device(struct device *device, struct small_vm *vm)
{
	const struct iovec whole = { vm->ram[0].host, vm->ram[0].bytes };
	uint8_t page[RAMJET_PAGE_BYTES];
	int rc = io_uring_queue_init(2, &device->ring, 0);

	if (rc) {
		printf("# skipped: io_uring: %s\n", strerror(-rc));
		return false;
	}
	rc = io_uring_register_buffers(&device->ring, &whole, 1);
	if (rc) {
		printf("# skipped: registered buffers: %s\n", strerror(-rc));
		io_uring_queue_exit(&device->ring);
		return false;
	}
	memset(page, 0x77, sizeof(page));
	device->file = memfd_create("disk", MFD_CLOEXEC);
	assert_int_equal(write(device->file, page, sizeof(page)), sizeof(page));
	return true;
}

static void close_device(struct device *device)
{
	(void)close(device->file);
	io_uring_queue_exit(&device->ring);
}

static void read_into(struct device *device, struct small_vm *vm, uint64_t page)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&device->ring);
	struct io_uring_cqe *cqe;

	io_uring_prep_read_fixed(sqe, device->file,
				 vm->ram[0].host + page * RAMJET_PAGE_BYTES,
				 RAMJET_PAGE_BYTES, 0, 0);
	assert_int_equal(io_uring_submit_and_wait(&device->ring, 1), 1);
	assert_int_equal(io_uring_wait_cqe(&device->ring, &cqe), 0);
	assert_int_equal(cqe->res, RAMJET_PAGE_BYTES);
	io_uring_cqe_seen(&device->ring, cqe);
}

/* Pinned before tracking began, written when all was sent. */
static void writes_into_pinned_pages_arrive_when_marked(void **state)
{
	struct move *move = *state;
	struct device device;

	begin(move, VM_DIRTY_PAGEMAP);
	/* Nothing else writes, so nothing hides what is missed. */
	atomic_store(&move->source.writer_ends, true);
	if (!open_device(&device, &move->source))
		skip();
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	small_vm_await_state(&move->source, RAMJET_STATE_HELD);
	for (uint64_t page = PAGE; page < PAGE + 64; page++) {
		read_into(&device, &move->source, page);
		assert_int_equal(ramjet_guest_mark(move->source.guest, "ram0",
						   page * RAMJET_PAGE_BYTES,
						   RAMJET_PAGE_BYTES, NULL),
				 0);
	}
	assert_int_equal(ramjet_switchover(move->outgoing), 0);
	move_await(move);
	close_device(&device);
	move_expect_done(move);
}

/* ---- what it takes -------------------------------------------------------- */

static void ranges_are_checked(void **state)
{
	struct move *move = *state;
	struct ramjet_error err = { 0 };
	struct ramjet_guest *guest;

	begin(move, VM_DIRTY_NONE);
	guest = move->source.guest;
	assert_int_equal(ramjet_guest_mark(guest, "ram0", 1, 1, &err), 0);
	assert_int_equal(ramjet_guest_mark(guest, "ram0", 6u << 20, 0, &err),
			 0);
	assert_int_equal(ramjet_guest_mark(guest, "ram0", 6u << 20, 1, &err),
			 -ERANGE);
	assert_int_equal(ramjet_guest_mark(guest, "ram0", UINT64_MAX, 2, &err),
			 -ERANGE);
	assert_int_equal(ramjet_guest_mark(guest, "nvram", 0, 1, &err),
			 -ENOENT);
	move_expect_error(&err, -ENOENT, "mark: no block named nvram");
	assert_int_equal(ramjet_guest_mark(guest, NULL, 0, 1, &err), -EINVAL);
	assert_int_equal(ramjet_guest_mark(NULL, "ram0", 0, 1, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(marks_after_the_last_collect_are_sent),
		MOVE_TEST(marks_that_come_too_late_let_the_guest_run_on),
		MOVE_TEST(marks_after_the_commit_are_refused),
		MOVE_TEST(writes_into_pinned_pages_arrive_when_marked),
		MOVE_TEST(ranges_are_checked),
	};

	return cmocka_run_group_tests_name("guest_mark", tests, NULL, NULL);
}
