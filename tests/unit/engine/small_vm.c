/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/small_vm.h"

#include "ramjet-dirty.h"
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/compiler.h"

static uint64_t page_count(const struct small_vm *vm, unsigned block)
{
	return vm->is.bytes[block] / RAMJET_PAGE_BYTES;
}

/* ---- the writer ---------------------------------------------------------- */

RJ_GUEST_MEMORY static void write_page(struct small_vm *vm, unsigned block,
				       uint64_t page, uint64_t x)
{
	uint64_t *words =
		(uint64_t *)(vm->ram[block].host + page * RAMJET_PAGE_BYTES);

	/* Now and then a page becomes zero, or stops being it. */
	if (x % 8 == 0)
		for (unsigned i = 0; i < RAMJET_PAGE_BYTES / 8; i++)
			words[i] = 0;
	else
		words[x % (RAMJET_PAGE_BYTES / 8)] = x;
}

static void mark_page(struct small_vm *vm, unsigned block, uint64_t page)
{
	if (vm->bits[block])
		__atomic_fetch_or(&vm->bits[block][page / 64],
				  UINT64_C(1) << page % 64, __ATOMIC_RELEASE);
}

static void *write_for_ever(void *user)
{
	struct small_vm *vm = user;
	uint64_t x = UINT64_C(0x9e3779b97f4a7c15) + vm->written;

	while (!atomic_load(&vm->writer_ends)) {
		unsigned block;
		uint64_t page;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		block = vm->is.bytes[1] && x % 5 == 0;
		page = (x >> 8) % page_count(vm, block);
		write_page(vm, block, page, x >> 8);
		mark_page(vm, block, page);
		atomic_fetch_add(&vm->written, 1);
		if (x % 16 == 0)
			(void)sched_yield();
	}
	return NULL;
}

static int start_writer(struct small_vm *vm)
{
	int rc;

	if (vm->is.dirty != VM_DIRTY_SHARED && vm->is.dirty != VM_DIRTY_PAGEMAP)
		return 0;
	atomic_store(&vm->writer_ends, false);
	rc = pthread_create(&vm->writer, NULL, write_for_ever, vm);
	vm->has_writer = !rc;
	return -rc;
}

static void stop_writer(struct small_vm *vm)
{
	if (!vm->has_writer)
		return;
	atomic_store(&vm->writer_ends, true);
	(void)pthread_join(vm->writer, NULL);
	vm->has_writer = false;
}

/* ---- operations ---------------------------------------------------------- */

static int called(struct small_vm *vm, enum vm_call call,
		  struct ramjet_error *err)
{
	atomic_fetch_add(&vm->calls[call], 1);
	if (vm->on_call)
		vm->on_call(vm, call);
	if (vm->fails[call] && err) {
		err->code = vm->fails[call];
		(void)snprintf(err->message, sizeof(err->message),
			       "%s: told to fail", vm->is.name);
	}
	return vm->fails[call];
}

static int vm_stop(void *user, struct ramjet_error *err)
{
	struct small_vm *vm = user;
	const int rc = called(vm, VM_STOP, err);

	if (rc)
		return rc;
	stop_writer(vm);
	atomic_store(&vm->running, false);
	return 0;
}

static int vm_start(void *user, struct ramjet_error *err)
{
	struct small_vm *vm = user;
	const int rc = called(vm, VM_START, err);

	if (rc)
		return rc;
	if (vm->other && atomic_load(&vm->other->running))
		atomic_store(&vm->both_ran, true);
	if (atomic_exchange(&vm->running, true))
		return 0;
	return start_writer(vm);
}

static uint8_t state_byte(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 10));
}

static int vm_save(void *user, void **ret_data, size_t *ret_bytes,
		   struct ramjet_error *err)
{
	struct small_vm *vm = user;
	const int rc = called(vm, VM_SAVE, err);
	uint8_t *data;

	if (rc)
		return rc;
	data = malloc(vm->is.state_bytes);
	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < vm->is.state_bytes; i++)
		data[i] = state_byte(i);
	*ret_data = data;
	*ret_bytes = vm->is.state_bytes;
	return 0;
}

static int vm_load(void *user, const void *data, size_t bytes,
		   struct ramjet_error *err)
{
	struct small_vm *vm = user;
	const int rc = called(vm, VM_LOAD, err);
	const uint8_t *at = data;

	if (rc)
		return rc;
	if (bytes != vm->is.state_bytes)
		atomic_store(&vm->state_is_wrong, true);
	for (size_t i = 0; i < bytes; i++)
		if (at[i] != state_byte(i))
			atomic_store(&vm->state_is_wrong, true);
	return 0;
}

static int vm_throttle(void *user, unsigned percent, struct ramjet_error *err)
{
	struct small_vm *vm = user;
	const int rc = called(vm, VM_THROTTLE, err);

	if (rc)
		return rc;
	atomic_store(&vm->throttle, percent);
	(void)pthread_mutex_lock(&vm->lock);
	if (vm->throttle_count < SMALL_VM_STATES_MAX)
		vm->throttles[vm->throttle_count++] = percent;
	(void)pthread_mutex_unlock(&vm->lock);
	return 0;
}

static void on_notify(void *user, enum ramjet_state old_state,
		      enum ramjet_state state, const struct ramjet_error *err,
		      struct ramjet_migration *migration)
{
	struct small_vm *vm = user;
	const bool bad_end = state == RAMJET_STATE_FAILED ||
			     state == RAMJET_STATE_CANCELLED ||
			     state == RAMJET_STATE_UNCONFIRMED;
	enum ramjet_state last = RAMJET_STATE_NONE;

	(void)pthread_mutex_lock(&vm->lock);
	if (vm->state_count)
		last = vm->states[vm->state_count - 1];
	if (last != old_state)
		vm->chain_is_broken = true;
	if (bad_end != !!err || (err && (err->code >= 0 || !err->message[0])))
		vm->error_is_wrong = true;
	if (vm->state_count < SMALL_VM_STATES_MAX)
		vm->states[vm->state_count++] = state;
	(void)pthread_cond_broadcast(&vm->changed);
	(void)pthread_mutex_unlock(&vm->lock);
	(void)migration;
	if (vm->on_state)
		vm->on_state(vm, state);
}

/* ---- its dirty sources --------------------------------------------------- */

static int script_start(void *user, const struct ramjet_dirty_region *regions,
			unsigned count, struct ramjet_error *err)
{
	(void)regions, (void)count;
	return called(user, VM_TRACK, err);
}

static int script_collect(void *user, struct ramjet_dirty_sink *sink,
			  struct ramjet_error *err)
{
	struct small_vm *vm = user;
	const int rc = called(vm, VM_COLLECT, err);
	const uint64_t pages = vm->dirt ? vm->dirt(vm) : 0;

	if (pages)
		ramjet_dirty_mark(sink, 0, 0, pages);
	return rc;
}

static void script_stop(void *user)
{
	(void)called(user, VM_UNTRACK, NULL);
}

static const char *block_name(unsigned block)
{
	return block ? "ram1" : "ram0";
}

static void add_source(struct small_vm *vm, struct ramjet_dirty_source *source)
{
	assert_int_equal(ramjet_guest_add_dirty_source(vm->guest, source, NULL),
			 0);
}

static void add_shared(struct small_vm *vm, unsigned block)
{
	struct ramjet_dirty_source *source = NULL;
	struct ramjet_dirty_bitmap bitmap = { RAMJET_DIRTY_BITMAP_INIT };

	bitmap.block = block_name(block);
	bitmap.bytes = (page_count(vm, block) + 63) / 64 * 8;
	vm->bits[block] = calloc(1, bitmap.bytes);
	bitmap.bits = vm->bits[block];
	assert_int_equal(ramjet_dirty_shared_new(&bitmap, &source, NULL), 0);
	add_source(vm, source);
}

static void add_dirty(struct small_vm *vm)
{
	const struct ramjet_dirty_ops script = {
		RAMJET_DIRTY_OPS_INIT, .name = "script",
		.start = script_start, .collect = script_collect,
		.stop = script_stop,
	};
	struct ramjet_dirty_source *source = NULL;

	switch (vm->is.dirty) {
	case VM_DIRTY_NONE:
		return;
	case VM_DIRTY_SHARED:
		for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++)
			if (vm->is.bytes[i])
				add_shared(vm, i);
		return;
	case VM_DIRTY_PAGEMAP:
		assert_int_equal(ramjet_dirty_pagemap_new(&source, NULL), 0);
		break;
	case VM_DIRTY_SCRIPT:
		assert_int_equal(ramjet_dirty_new(&script, vm, &source, NULL),
				 0);
		break;
	}
	add_source(vm, source);
}

/* ---- its life ------------------------------------------------------------- */

static void add_blocks(struct small_vm *vm)
{
	for (unsigned i = 0; i < SMALL_VM_BLOCKS && vm->is.bytes[i]; i++) {
		struct ramjet_block block = { RAMJET_BLOCK_INIT };

		assert_int_equal(guarded_map(&vm->ram[i], vm->is.bytes[i]), 0);
		block.name = block_name(i);
		vm->own[i].ram = &vm->ram[i];
		block.memory = vm->is.memory;
		if (block.memory)
			block.memory_user = &vm->own[i];
		else
			block.host = vm->ram[i].host;
		block.bytes = vm->is.bytes[i];
		block.flags = vm->is.fresh ? RAMJET_BLOCK_FRESH : 0;
		assert_int_equal(
			ramjet_guest_add_block(vm->guest, &block, NULL), i);
	}
}

void small_vm_init(struct small_vm *vm, const struct small_vm_options *is)
{
	struct ramjet_guest_ops ops = {
		RAMJET_GUEST_OPS_INIT,
		.stop = vm_stop,
		.start = vm_start,
		.throttle = vm_throttle,
	};

	memset(vm, 0, sizeof(*vm));
	vm->is = *is;
	if (is->state_bytes) {
		ops.save_state = vm_save;
		ops.load_state = vm_load;
	}
	(void)pthread_mutex_init(&vm->lock, NULL);
	(void)pthread_cond_init(&vm->changed, NULL);
	assert_int_equal(ramjet_guest_new(&ops, vm, &vm->guest, NULL), 0);
	add_blocks(vm);
	add_dirty(vm);
	vm->notifier = ramjet_notify(vm->guest, on_notify, vm, NULL);
	assert_true(vm->notifier > 0);
}

void small_vm_done(struct small_vm *vm)
{
	stop_writer(vm);
	assert_int_equal(ramjet_guest_free(vm->guest), 0);
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++) {
		guarded_unmap(&vm->ram[i]);
		free(vm->bits[i]);
	}
	(void)pthread_cond_destroy(&vm->changed);
	(void)pthread_mutex_destroy(&vm->lock);
}

void small_vm_fill(struct small_vm *vm, uint64_t seed)
{
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++)
		for (uint64_t page = 0; page < page_count(vm, i); page++) {
			if (page % 7 == 3)
				continue;
			guarded_fill(&vm->ram[i], page, seed + i);
			if (page % 5 == 1)
				memset(vm->ram[i].host +
					       page * RAMJET_PAGE_BYTES,
				       0, RAMJET_PAGE_BYTES);
		}
}

void small_vm_power_on(struct small_vm *vm)
{
	atomic_store(&vm->running, true);
	assert_int_equal(start_writer(vm), 0);
}

void small_vm_power_off(struct small_vm *vm)
{
	stop_writer(vm);
	atomic_store(&vm->running, false);
}

void small_vm_expect_equal(const struct small_vm *a, const struct small_vm *b)
{
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++) {
		assert_int_equal(a->is.bytes[i], b->is.bytes[i]);
		for (uint64_t page = 0; page < page_count(a, i); page++)
			if (memcmp(a->ram[i].host + page * RAMJET_PAGE_BYTES,
				   b->ram[i].host + page * RAMJET_PAGE_BYTES,
				   RAMJET_PAGE_BYTES))
				fail_msg("block %u, page %llu differs", i,
					 (unsigned long long)page);
	}
}

static void expect_intact(const struct small_vm *vm)
{
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++)
		if (vm->ram[i].map) {
			assert_true(guarded_is_intact(&vm->ram[i]));
			assert_false(atomic_load(&vm->own[i].is_wrong));
		}
}

static void expect_order(const struct small_vm *vm)
{
	assert_false(vm->chain_is_broken);
	assert_false(vm->error_is_wrong);
	assert_false(atomic_load(&vm->both_ran));
	assert_false(atomic_load(&vm->state_is_wrong));
	expect_intact(vm);
}

void small_vm_expect_states(struct small_vm *vm, const char *wanted)
{
	char seen[1024] = "";
	size_t at = 0;

	(void)pthread_mutex_lock(&vm->lock);
	for (unsigned i = 0; i < vm->state_count; i++)
		at += (size_t)snprintf(seen + at, sizeof(seen) - at, "%s%s",
				       i ? " " : "",
				       ramjet_state_name(vm->states[i]));
	vm->state_count = 0;
	(void)pthread_mutex_unlock(&vm->lock);
	if (strcmp(seen, wanted))
		fail_msg("%s: states \"%s\", wanted \"%s\"", vm->is.name, seen,
			 wanted);
	expect_order(vm);
}

void small_vm_expect_last(struct small_vm *vm, enum ramjet_state wanted)
{
	enum ramjet_state last = RAMJET_STATE_NONE;

	(void)pthread_mutex_lock(&vm->lock);
	if (vm->state_count)
		last = vm->states[vm->state_count - 1];
	vm->state_count = 0;
	(void)pthread_mutex_unlock(&vm->lock);
	assert_string_equal(ramjet_state_name(last), ramjet_state_name(wanted));
	expect_order(vm);
}

unsigned small_vm_calls(const struct small_vm *vm, enum vm_call call)
{
	return atomic_load(&vm->calls[call]);
}

static bool has_seen_locked(const struct small_vm *vm, enum ramjet_state state)
{
	for (unsigned i = 0; i < vm->state_count; i++)
		if (vm->states[i] == state)
			return true;
	return false;
}

void small_vm_await_state(struct small_vm *vm, enum ramjet_state state)
{
	(void)pthread_mutex_lock(&vm->lock);
	while (!has_seen_locked(vm, state))
		(void)pthread_cond_wait(&vm->changed, &vm->lock);
	(void)pthread_mutex_unlock(&vm->lock);
}
