/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks are cleared beside the rounds: what arrives is never cleared, the link
 * is watched meanwhile, and READY waits. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/receive/target_memory.h"
#include "tests/unit/engine/move.h"
#include "tests/unit/engine/watched_page.h"

#define PAGES 1536u
#define PAGE  700u

/* ---- a page arrives while it is being cleared ---------------------------- */

struct late {
	struct rj_block block;
	struct rj_target_memory memory;
	uint8_t *other; /* the same memory, which nobody watches */
	_Atomic pid_t tid;
	atomic_bool received;
};

static void *receive_page(void *user)
{
	const struct rj_wire_run run = { PAGE, 1, RJ_RUN_RAW };
	struct late *late = user;
	struct iovec iov[RJ_RUNS_MAX];
	bool untouched[RJ_RUNS_MAX];
	struct rj_scatter scatter = { .iov = iov, .untouched = untouched };
	struct rj_page_codec codec = { 0 };
	const struct rj_frame frame = {
		.type = RJ_FRAME_PAGES,
		.run_count = 1,
		.payload_bytes = RAMJET_PAGE_BYTES,
	};
	uint8_t table[RJ_RUN_BYTES];

	atomic_store(&late->tid, (pid_t)syscall(SYS_gettid));
	rj_run_encode(&run, table);
	if (!rj_target_memory_place(&late->memory, &codec, &frame, table,
				    &scatter, NULL) &&
	    scatter.count == 1)
		memset(late->other + PAGE * RAMJET_PAGE_BYTES, 0x66,
		       RAMJET_PAGE_BYTES);
	atomic_store(&late->received, true);
	return NULL;
}

static bool is_asleep(pid_t tid)
{
	char path[64], text[256] = "";
	const char *end;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	(void)!fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	end = strrchr(text, ')');
	return end && end[1] == ' ' && end[2] == 'S';
}

static void make_late(struct late *late, int fd)
{
	const size_t bytes = PAGES * (size_t)RAMJET_PAGE_BYTES;

	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	late->block = (struct rj_block){
		.name = "ram0",
		.host = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			     fd, 0),
		.bytes = bytes,
		.page_count = PAGES,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = fd,
	};
	late->other =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(late->block.host != MAP_FAILED);
	assert_true(late->other != MAP_FAILED);
	memset(late->block.host, 0x11, bytes);
	assert_int_equal(
		rj_target_memory_init(&late->memory, &late->block, 1, NULL), 0);
}

static void a_late_clear_never_lands_on_a_page(void **state)
{
	const int fd = memfd_create("late", MFD_CLOEXEC);
	const int event_fd = eventfd(0, EFD_CLOEXEC);
	struct watched_page page;
	struct late late = { 0 };
	pthread_t thread;
	eventfd_t count;

	(void)state;
	make_late(&late, fd);
	if (!watched_page_begin(&page,
				late.block.host + PAGE * RAMJET_PAGE_BYTES))
		skip();
	assert_int_equal(
		rj_target_memory_clear(&late.memory, NULL, 1, event_fd, NULL),
		0);
	/* The page is being cleared now, and will be for a while. */
	watched_page_await(&page);
	assert_int_equal(pthread_create(&thread, NULL, receive_page, &late), 0);
	while (!atomic_load(&late.received) &&
	       !(atomic_load(&late.tid) && is_asleep(atomic_load(&late.tid))))
		(void)sched_yield();
	watched_page_release(&page);
	assert_int_equal(pthread_join(thread, NULL), 0);
	while (!rj_clearing_is_over(&late.memory.clearing))
		assert_int_equal(eventfd_read(event_fd, &count), 0);
	for (size_t i = 0; i < late.block.bytes; i++)
		assert_int_equal(late.other[i],
				 i / RAMJET_PAGE_BYTES == PAGE ? 0x66 : 0);
	rj_target_memory_done(&late.memory);
	(void)munmap(late.block.host, late.block.bytes);
	(void)munmap(late.other, late.block.bytes);
	(void)close(event_fd);
	(void)close(fd);
}

/* ---- a whole move --------------------------------------------------------- */

static struct watched_page held;
static atomic_bool let_go;

/* A page that the source never touched, but the target has. */
static bool begin(struct move *move)
{
	struct small_vm_options is = move_machine;
	uint8_t *at;

	is.dirty = VM_DIRTY_NONE;
	move_init(move, &is);
	at = move->source.ram[0].host + PAGE * RAMJET_PAGE_BYTES;
	assert_int_equal(madvise(at, RAMJET_PAGE_BYTES, MADV_DONTNEED), 0);
	at = move->target.ram[0].host + PAGE * RAMJET_PAGE_BYTES;
	memset(at, 0x22, RAMJET_PAGE_BYTES);
	atomic_store(&let_go, false);
	return watched_page_begin(&held, at);
}

static void expect_let_go(struct small_vm *vm, enum vm_call call)
{
	if (call == VM_LOAD && !atomic_load(&let_go))
		atomic_store(&vm->state_is_wrong, true);
}

/* In a session that is so far: nothing was let go before it is asked for. */
static void ready_waits_for_the_clearing_and_accept_does_not(void **state)
{
	struct move *move = *state;

	if (!begin(move))
		skip();
	move->target.on_call = expect_let_go;
	move_begin(move, MOVE_UNIX);
	watched_page_await(&held);
	small_vm_await_state(&move->source, RAMJET_STATE_ACTIVE);
	atomic_store(&let_go, true);
	watched_page_release(&held);
	move_await(move);
	move_expect_done(move);
	small_vm_expect_states(&move->target,
			       "setup active switchover committed completed");
}

static bool has_failed(const struct ramjet_migration *migration)
{
	struct ramjet_info *info;
	bool failed;

	assert_int_equal(ramjet_info(migration, &info), 0);
	failed = info->error != NULL;
	ramjet_info_free(info);
	return failed;
}

static void the_link_is_watched_meanwhile(void **state)
{
	struct move *move = *state;
	struct ramjet_error err = { 0 };

	if (!begin(move))
		skip();
	move_begin(move, MOVE_UNIX);
	watched_page_await(&held);
	small_vm_await_state(&move->source, RAMJET_STATE_ACTIVE);
	assert_int_equal(ramjet_cancel(move->outgoing), 0);
	assert_int_equal(ramjet_wait(move->outgoing, -1, &err), -ECANCELED);
	/* It has heard of that although it still clears. */
	while (!has_failed(move->incoming))
		(void)sched_yield();
	watched_page_release(&held);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->target_err, -ECONNABORTED,
			  "the source cancelled");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_late_clear_never_lands_on_a_page),
		MOVE_TEST(ready_waits_for_the_clearing_and_accept_does_not),
		MOVE_TEST(the_link_is_watched_meanwhile),
	};

	return cmocka_run_group_tests_name("clearing", tests, NULL, NULL);
}
