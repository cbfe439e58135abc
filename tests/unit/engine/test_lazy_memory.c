/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest whose memory is filled, through userfaultfd, when it is touched. */
#include "tests/unit/cmocka_all.h"

#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dirty/lazy.h"
#include "dirty/uffd.h"
#include "tests/unit/engine/move.h"

#define SEED 77u

struct filler {
	struct small_vm *vm;
	struct guarded store; /* what is put where something is missing */
	int uffd, stop_fd;
	pthread_t thread;
	unsigned filled;
};

static void fill_one(struct filler *filler)
{
	const struct guarded *ram = &filler->vm->ram[0];
	struct uffdio_copy copy = { .len = RAMJET_PAGE_BYTES };
	struct uffd_msg msg;
	uint64_t page;

	if (read(filler->uffd, &msg, sizeof(msg)) != sizeof(msg) ||
	    msg.event != UFFD_EVENT_PAGEFAULT)
		return;
	page = (msg.arg.pagefault.address - (uintptr_t)ram->host) /
	       RAMJET_PAGE_BYTES;
	copy.dst = (uintptr_t)ram->host + page * RAMJET_PAGE_BYTES;
	copy.src = (uintptr_t)filler->store.host + page * RAMJET_PAGE_BYTES;
	/* EEXIST: two threads asked for it. */
	if (!ioctl(filler->uffd, UFFDIO_COPY, &copy))
		filler->filled++;
}

static void *fill_for_ever(void *user)
{
	struct filler *filler = user;
	struct pollfd fds[2] = {
		{ .fd = filler->uffd, .events = POLLIN },
		{ .fd = filler->stop_fd, .events = POLLIN },
	};

	while (poll(fds, 2, -1) > 0 && !fds[1].revents)
		fill_one(filler);
	return NULL;
}

static _Atomic unsigned looks;

void __real_rj_lazy_look(const struct ramjet_dirty_region *regions,
			 unsigned count, const char **ret_reasons);
void __wrap_rj_lazy_look(const struct ramjet_dirty_region *regions,
			 unsigned count, const char **ret_reasons);

void __wrap_rj_lazy_look(const struct ramjet_dirty_region *regions,
			 unsigned count, const char **ret_reasons)
{
	atomic_fetch_add(&looks, 1);
	__real_rj_lazy_look(regions, count, ret_reasons);
}

/* From now on block 0 holds nothing, and `store` is what it should hold. */
static bool begin_filling(struct filler *filler, struct small_vm *vm)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct guarded *ram = &vm->ram[0];
	struct ramjet_error err = { 0 };

	*filler = (struct filler){ .vm = vm, .uffd = rj_uffd_open(&err) };
	if (filler->uffd < 0) {
		printf("# skipped: %s\n", err.message);
		return false;
	}
	assert_int_equal(guarded_map(&filler->store, ram->bytes), 0);
	for (uint64_t i = 0; i < ram->bytes / RAMJET_PAGE_BYTES; i++)
		guarded_fill(&filler->store, i, SEED);
	assert_int_equal(madvise(ram->host, ram->bytes, MADV_DONTNEED), 0);
	assert_int_equal(ioctl(filler->uffd, UFFDIO_API, &api), 0);
	reg.range.start = (uintptr_t)ram->host;
	reg.range.len = ram->bytes;
	assert_int_equal(ioctl(filler->uffd, UFFDIO_REGISTER, &reg), 0);
	filler->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(filler->stop_fd >= 0);
	assert_int_equal(
		pthread_create(&filler->thread, NULL, fill_for_ever, filler),
		0);
	return true;
}

static void end_filling(struct filler *filler)
{
	assert_int_equal(eventfd_write(filler->stop_fd, 1), 0);
	assert_int_equal(pthread_join(filler->thread, NULL), 0);
	(void)close(filler->uffd);
	(void)close(filler->stop_fd);
}

static const char *populated_path(const struct ramjet_info *info)
{
	for (size_t i = 0; i < info->fast_path_count; i++)
		if (!strcmp(RAMJET_AT(info->fast_paths, i)->name,
			    "populated map"))
			return RAMJET_AT(info->fast_paths, i)->reason;
	return "";
}

static void what_is_filled_lazily_is_read_and_sent(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;
	struct filler filler;
	uint64_t pages;

	is.dirty = VM_DIRTY_NONE;
	is.fresh = true;
	move_init(move, &is);
	pages = is.bytes[0] / RAMJET_PAGE_BYTES;
	if (!begin_filling(&filler, &move->source))
		skip();
	/* One page has been touched: that alone used to arrive. */
	assert_memory_equal(move->source.ram[0].host, filler.store.host, 64);
	move_begin(move, MOVE_UNIX);
	move_await(move);
	end_filling(&filler);
	if (move->source_rc)
		fail_msg("%s", move->source_err.message);
	assert_int_equal(filler.filled, pages);
	assert_memory_equal(move->target.ram[0].host, filler.store.host,
			    is.bytes[0]);
	assert_true(move->info->verified);
	assert_non_null(strstr(populated_path(move->info), "userfaultfd"));
	guarded_unmap(&filler.store);
}

/* A look takes milliseconds a GiB: one serves all blocks, on the source only
 * where no userfaultfd of ours has them, on the target for clearing and for
 * verify. */
static void one_look_serves_all_blocks(void **state)
{
	const struct {
		enum vm_dirty dirty;
		unsigned looks;
	} kinds[] = { { VM_DIRTY_NONE, 3 }, { VM_DIRTY_PAGEMAP, 2 } };
	struct move *move = *state;

	for (unsigned i = 0; i < 2; i++) {
		struct small_vm_options is = move_machine;

		is.dirty = kinds[i].dirty;
		assert_true(is.bytes[0] && is.bytes[1]);
		atomic_store(&looks, 0);
		move_init(move, &is);
		move_begin(move, MOVE_UNIX);
		move_await(move);
		move_expect_done(move);
		assert_int_equal(atomic_load(&looks), kinds[i].looks);
		move_done(move);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(what_is_filled_lazily_is_read_and_sent),
		MOVE_TEST(one_look_serves_all_blocks),
	};

	return cmocka_run_group_tests_name("lazy_memory", tests, NULL, NULL);
}
