/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that goes bad under a thread of a migration's: it ends with block and
 * offset, and the source's guest runs on. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ramjet-dirty.h"
#include "tests/unit/engine/bad_page.h"
#include "tests/unit/engine/bus_handler.h"
#include "tests/unit/engine/move.h"

#define BYTES (UINT64_C(4) << 20)
#define CUT   (UINT64_C(1) << 20)

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

	bus_handler_install();
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
	assert_true(atomic_load(&bus_handler_asked) >= 1);
	assert_int_equal(bus_handler_own, 0);
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
	assert_int_equal(bus_handler_own, 0);
}

static void begin(struct move *move)
{
	struct small_vm_options is = move_machine;

	bus_handler_install();
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
	assert_true(atomic_load(&bus_handler_asked) >= 1);
}

static void a_page_that_breaks_before_it_is_hashed_is_named(void **state)
{
	struct move *move = *state;

	begin(move);
	move->source.on_call = break_in_save;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	expect_broken(move, &move->source_err);
	assert_int_equal(atomic_load(&bus_handler_asked), 1);
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
		MOVE_TEST(a_source_cut_short_under_a_worker),
		MOVE_TEST(a_source_cut_short_under_several_workers),
		MOVE_TEST(a_broken_page_of_the_source_is_named),
		MOVE_TEST(a_page_that_breaks_before_it_is_hashed_is_named),
		MOVE_TEST(a_broken_page_of_the_target_is_named),
	};

	return cmocka_run_group_tests_name("bad_memory", tests, NULL, NULL);
}
