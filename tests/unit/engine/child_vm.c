/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/child_vm.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ramjet-dirty.h"
#include "tests/unit/cmocka_all.h"

#define WORDS (RAMJET_PAGE_BYTES / 8)

/* ---- there ----------------------------------------------------------------- */

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void fill(struct child_vm *vm, uint64_t seed)
{
	for (uint64_t page = 0; page < vm->bytes / RAMJET_PAGE_BYTES; page++) {
		uint64_t *words =
			(uint64_t *)(vm->memory + page * RAMJET_PAGE_BYTES);

		if (page % 7 == 3)
			continue;
		for (unsigned i = 0; i < WORDS; i++)
			words[i] = page % 5 == 1 ? 0 : next_random(&seed);
	}
}

static void write_some(struct child_vm *vm, uint64_t *x)
{
	const uint64_t page = next_random(x) % (vm->bytes / RAMJET_PAGE_BYTES);
	uint64_t *words = (uint64_t *)(vm->memory + page * RAMJET_PAGE_BYTES);

	words[next_random(x) % WORDS] = *x;
	atomic_fetch_or(&vm->control->bits[page / 64], UINT64_C(1)
							       << page % 64);
	if (!(atomic_fetch_add(&vm->control->written, 1) % 16))
		(void)sched_yield();
}

static void live(struct child_vm *vm, uint64_t seed)
{
	uint64_t x = seed + 77;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (seed)
		fill(vm, seed);
	for (;;) {
		const int wanted = atomic_load(&vm->control->wanted);

		if (wanted == CHILD_WRITES)
			write_some(vm, &x);
		else
			(void)sched_yield();
		if (wanted == atomic_load(&vm->control->does))
			continue;
		if (wanted == CHILD_UNMAPS)
			(void)munmap(vm->memory + vm->bytes - RAMJET_PAGE_BYTES,
				     RAMJET_PAGE_BYTES);
		if (wanted == CHILD_DISCARDS)
			(void)madvise(vm->memory, vm->bytes, MADV_DONTNEED);
		if (wanted == CHILD_DISCARDS_FIRST)
			(void)madvise(vm->memory, RAMJET_PAGE_BYTES,
				      MADV_DONTNEED);
		atomic_store(&vm->control->does, wanted);
	}
}

/* ---- here ------------------------------------------------------------------ */

void child_vm_init(struct child_vm *vm, uint64_t bytes, uint64_t seed,
		   bool shared)
{
	*vm = (struct child_vm){
		.bytes = bytes,
		.control_bytes = sizeof(struct child_control) +
				 (bytes / RAMJET_PAGE_BYTES + 63) / 64 * 8,
	};
	vm->control = mmap(NULL, vm->control_bytes, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	vm->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS,
			  -1, 0);
	assert_ptr_not_equal(vm->control, MAP_FAILED);
	assert_ptr_not_equal(vm->memory, MAP_FAILED);
	(void)madvise(vm->memory, bytes, MADV_NOHUGEPAGE);
	atomic_store(&vm->control->does, -1);
	vm->pid = fork();
	assert_true(vm->pid >= 0);
	if (!vm->pid)
		live(vm, seed);
	child_vm_do(vm, CHILD_RESTS);
}

void child_vm_do(struct child_vm *vm, enum child_does what)
{
	atomic_store(&vm->control->wanted, (int)what);
	while (atomic_load(&vm->control->does) != (int)what)
		(void)sched_yield();
}

void child_vm_kill(struct child_vm *vm)
{
	if (!vm->pid)
		return;
	(void)kill(vm->pid, SIGKILL);
	assert_int_equal(waitpid(vm->pid, NULL, 0), vm->pid);
	vm->pid = 0;
}

void child_vm_done(struct child_vm *vm)
{
	if (!vm->control)
		return;
	assert_int_equal(ramjet_guest_free(vm->guest), 0);
	ramjet_process_memory_free(vm->process);
	child_vm_kill(vm);
	(void)munmap(vm->memory, vm->bytes);
	(void)munmap(vm->control, vm->control_bytes);
	*vm = (struct child_vm){ 0 };
}

uint8_t *child_vm_content(const struct child_vm *vm)
{
	uint8_t *data = malloc(vm->bytes);
	struct iovec local = { data, vm->bytes };
	const struct iovec remote = { vm->memory, vm->bytes };

	assert_non_null(data);
	assert_int_equal(process_vm_readv(vm->pid, &local, 1, &remote, 1, 0),
			 vm->bytes);
	return data;
}

static int stop(void *user, struct ramjet_error *err)
{
	(void)err;
	child_vm_do(user, CHILD_RESTS);
	return 0;
}

static int start(void *user, struct ramjet_error *err)
{
	(void)user, (void)err;
	return 0;
}

static void track(struct child_vm *vm)
{
	struct ramjet_dirty_bitmap bitmap = { RAMJET_DIRTY_BITMAP_INIT };
	struct ramjet_dirty_source *source = NULL;

	bitmap.block = "ram";
	bitmap.bits = (void *)vm->control->bits;
	bitmap.bytes = (vm->bytes / RAMJET_PAGE_BYTES + 63) / 64 * 8;
	assert_int_equal(ramjet_dirty_shared_new(&bitmap, &source, NULL), 0);
	assert_int_equal(ramjet_guest_add_dirty_source(vm->guest, source, NULL),
			 0);
}

void child_vm_guest(struct child_vm *vm, bool tracked)
{
	const struct ramjet_guest_ops ops = {
		RAMJET_GUEST_OPS_INIT,
		.stop = stop,
		.start = start,
	};
	struct ramjet_process_memory_options options = {
		RAMJET_PROCESS_MEMORY_OPTIONS_INIT
	};
	struct ramjet_block block = { RAMJET_BLOCK_INIT };
	struct ramjet_error err = { 0 };

	options.pid = vm->pid;
	options.address = (uintptr_t)vm->memory;
	options.bytes = vm->bytes;
	if (ramjet_process_memory_new(&options, &vm->process, &err))
		fail_msg("%s", err.message);
	assert_int_equal(ramjet_guest_new(&ops, vm, &vm->guest, NULL), 0);
	block.name = "ram";
	block.bytes = vm->bytes;
	block.memory = ramjet_process_memory_ops();
	block.memory_user = vm->process;
	if (ramjet_guest_add_block(vm->guest, &block, &err))
		fail_msg("%s", err.message);
	if (tracked)
		track(vm);
}
